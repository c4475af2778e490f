/*
 * Speed of a file system. Usage: storage_bench FOLDER MEBIBYTES SECONDS FILES
 * Prints lines of "<unit> <value> <name>"; a figure that cannot be had here is left out.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { BLOCK = 1 << 20, SMALL = 4096, DEPTH = 16 };

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void tell(const char *unit, double value, const char *name, const char *how) {
  printf("%s %.3f %s%s\n", unit, value, name, how);
  fflush(stdout);
}

/* Writes or reads the whole file once. Returns MB/s, 0 where it cannot. */
static double sequential(const char *path, int flags, long blocks, int writes) {
  char *buffer;
  if (posix_memalign((void **)&buffer, SMALL, BLOCK) != 0) return 0;
  memset(buffer, 's', BLOCK);
  int fd = open(path, flags, 0600);
  double start = now(), result = 0;
  long done = 0;
  while (fd >= 0 && done < blocks &&
         (writes ? write(fd, buffer, BLOCK) : read(fd, buffer, BLOCK)) == BLOCK) {
    done++;
  }
  if (fd >= 0 && done == blocks && (!writes || fsync(fd) == 0)) {
    result = (double)blocks * BLOCK / 1e6 / (now() - start);
  }
  if (fd >= 0) close(fd);
  free(buffer);
  return result;
}

static void drop_pages(const char *path) {
  int fd = open(path, O_RDONLY);
  if (fd < 0) return;
  fsync(fd);
  posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
  close(fd);
}

static struct {
  int fd, writes;
  long blocks;
  double until;
  atomic_long done;
} shared;

static void *random_worker(void *seed) {
  unsigned state = (unsigned)(size_t)seed;
  char *buffer;
  if (posix_memalign((void **)&buffer, SMALL, SMALL) != 0) return NULL;
  memset(buffer, 'r', SMALL);
  while (now() < shared.until) {
    off_t at = (off_t)(rand_r(&state) % (unsigned)shared.blocks) * SMALL;
    ssize_t n = shared.writes ? pwrite(shared.fd, buffer, SMALL, at)
                              : pread(shared.fd, buffer, SMALL, at);
    if (n != SMALL) break;
    atomic_fetch_add(&shared.done, 1);
  }
  free(buffer);
  return NULL;
}

/* 4 KiB at random places by DEPTH threads. Returns operations a second. */
static double random_access(const char *path, long mebibytes, double seconds, int writes) {
  shared.fd = open(path, (writes ? O_RDWR : O_RDONLY) | O_DIRECT);
  if (shared.fd < 0) return 0;
  shared.writes = writes;
  shared.blocks = mebibytes * (BLOCK / SMALL);
  atomic_store(&shared.done, 0);
  double start = now();
  shared.until = start + seconds;
  pthread_t threads[DEPTH];
  for (size_t i = 0; i < DEPTH; i++) pthread_create(&threads[i], NULL, random_worker, (void *)(i + 1));
  for (size_t i = 0; i < DEPTH; i++) pthread_join(threads[i], NULL);
  double result = (double)atomic_load(&shared.done) / (now() - start);
  close(shared.fd);
  return result;
}

static long walk(const char *path) {
  DIR *folder = opendir(path);
  long seen = 0;
  char child[4096];
  for (struct dirent *entry; folder && (entry = readdir(folder)) != NULL;) {
    if (entry->d_name[0] == '.') continue;
    struct stat info;
    snprintf(child, sizeof child, "%s/%s", path, entry->d_name);
    if (lstat(child, &info) != 0) continue;
    seen++;
    if (S_ISDIR(info.st_mode)) seen += walk(child);
  }
  if (folder) closedir(folder);
  return seen;
}

static void small_files(long files) {
  char name[64];
  double start = now();
  for (long i = 0; i < files; i++) {
    if (i % 100 == 0) {
      snprintf(name, sizeof name, "tree%ld", i / 100);
      mkdir(name, 0755);
    }
    snprintf(name, sizeof name, "tree%ld/%ld", i / 100, i);
    int fd = open(name, O_CREAT | O_WRONLY, 0644);
    if (fd < 0 || write(fd, "x", 1) != 1) exit(1);
    close(fd);
  }
  double created = now();
  for (long i = 0; i < files; i++) {
    struct stat info;
    snprintf(name, sizeof name, "tree%ld/%ld", i / 100, i);
    if (stat(name, &info) != 0) exit(1);
  }
  double seen = now();
  tell("ms", (created - start) * 1e3, "create small files", "");
  tell("ms", (seen - created) * 1e3, "stat small files", "");
  double walked = now();
  if (walk(".") < files) exit(1);
  tell("ms", (now() - walked) * 1e3, "walk the tree", "");
  double start_delete = now();
  for (long i = 0; i < files; i++) {
    snprintf(name, sizeof name, "tree%ld/%ld", i / 100, i);
    if (unlink(name) != 0) exit(1);
  }
  tell("ms", (now() - start_delete) * 1e3, "delete small files", "");
}

int main(int argc, char **argv) {
  if (argc < 5 || chdir(argv[1]) != 0) return 2;
  long mebibytes = atol(argv[2]), files = atol(argv[4]);
  double seconds = atof(argv[3]);
  const int create = O_WRONLY | O_CREAT | O_TRUNC;
  for (int direct = 0; direct < 2; direct++) {
    int flag = direct ? O_DIRECT : 0;
    const char *how = direct ? ", O_DIRECT" : "";
    double rate = sequential("big", create | flag, mebibytes, 1);
    if (rate > 0) tell("MB/s", rate, "sequential write", how);
    drop_pages("big");
    rate = sequential("big", O_RDONLY | flag, mebibytes, 0);
    if (rate > 0) tell("MB/s", rate, "sequential read", how);
  }
  double rate = random_access("big", mebibytes, seconds, 0);
  if (rate > 0) tell("count", rate, "random reads of 4 KiB a second, depth 16", "");
  rate = random_access("big", mebibytes, seconds, 1);
  if (rate > 0) tell("count", rate, "random writes of 4 KiB a second, depth 16", "");
  unlink("big");
  small_files(files);
  return 0;
}
