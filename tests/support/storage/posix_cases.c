/*
 * What containers expect of a file system, one line each: "<case>: ok" or "<case>: <why not>".
 * Usage: posix_cases FOLDER [FILES]; FILES (default 1000) is how many small files a folder must hold.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#define TRY(condition) \
  do { \
    if (!(condition)) return fail(#condition); \
  } while (0)

static char why[256];
static long files = 1000;

static const char *fail(const char *what) {
  snprintf(why, sizeof why, "%.150s (%s)", what, errno ? strerror(errno) : "wrong answer");
  return why;
}

static int put(const char *path, const char *text) {
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  if (fd < 0) return -1;
  ssize_t length = (ssize_t)strlen(text);
  int result = write(fd, text, (size_t)length) == length ? 0 : -1;
  return close(fd) == 0 ? result : -1;
}

static int holds(const char *path, const char *text) {
  char buffer[256];
  int fd = open(path, O_RDONLY);
  if (fd < 0) return 0;
  ssize_t n = read(fd, buffer, sizeof buffer);
  close(fd);
  return n == (ssize_t)strlen(text) && memcmp(buffer, text, (size_t)n) == 0;
}

static const char *rename_replaces(void) {
  TRY(put("a", "new") == 0 && put("b", "old") == 0);
  TRY(rename("a", "b") == 0 && holds("b", "new"));
  TRY(access("a", F_OK) == -1 && errno == ENOENT);
  return NULL;
}

static const char *rename_folder_over_full_one(void) {
  TRY(mkdir("d1", 0755) == 0 && mkdir("d2", 0755) == 0 && put("d2/f", "") == 0);
  TRY(rename("d1", "d2") == -1 && (errno == ENOTEMPTY || errno == EEXIST));
  return NULL;
}

static const char *rename_without_replacing(void) {
  TRY(put("n1", "1") == 0 && put("n2", "2") == 0);
  TRY(renameat2(AT_FDCWD, "n1", AT_FDCWD, "n2", RENAME_NOREPLACE) == -1 && errno == EEXIST);
  return NULL;
}

static const char *hard_links(void) {
  struct stat one, two;
  TRY(put("h1", "x") == 0 && link("h1", "h2") == 0);
  TRY(stat("h1", &one) == 0 && stat("h2", &two) == 0);
  TRY(one.st_ino == two.st_ino && two.st_nlink == 2);
  TRY(unlink("h1") == 0 && holds("h2", "x"));
  return NULL;
}

static const char *symbolic_links(void) {
  char target[16];
  TRY(symlink("nowhere", "s") == 0);
  TRY(readlink("s", target, sizeof target) == 7);
  TRY(open("s", O_RDONLY) == -1 && errno == ENOENT);
  TRY(open("s", O_RDONLY | O_NOFOLLOW) == -1 && errno == ELOOP);
  return NULL;
}

static const char *file_lives_after_unlink(void) {
  char c;
  int fd = open("gone", O_RDWR | O_CREAT, 0600);
  TRY(fd >= 0 && write(fd, "x", 1) == 1 && unlink("gone") == 0);
  TRY(pread(fd, &c, 1, 0) == 1 && c == 'x' && ftruncate(fd, 0) == 0);
  struct stat info;
  TRY(fstat(fd, &info) == 0 && info.st_size == 0);
  close(fd);
  return NULL;
}

static const char *exclusive_create(void) {
  TRY(put("e", "") == 0);
  TRY(open("e", O_CREAT | O_EXCL | O_WRONLY, 0600) == -1 && errno == EEXIST);
  return NULL;
}

static const char *append_and_truncate(void) {
  struct stat info;
  TRY(put("t", "abc") == 0);
  int fd = open("t", O_WRONLY | O_APPEND);
  TRY(fd >= 0 && write(fd, "d", 1) == 1 && close(fd) == 0 && holds("t", "abcd"));
  TRY(truncate("t", 2) == 0 && holds("t", "ab"));
  TRY(truncate("t", 4096) == 0 && stat("t", &info) == 0 && info.st_size == 4096);
  return NULL;
}

static const char *sparse_files(void) {
  struct stat info;
  int fd = open("sparse", O_RDWR | O_CREAT, 0600);
  TRY(fd >= 0 && pwrite(fd, "x", 1, 64 << 20) == 1 && fsync(fd) == 0);
  TRY(fstat(fd, &info) == 0 && info.st_size == (64 << 20) + 1 && info.st_blocks * 512 < 1 << 20);
  close(fd);
  return NULL;
}

static const char *seek_hole(void) {
  int fd = open("hole", O_RDWR | O_CREAT, 0600);
  TRY(fd >= 0 && pwrite(fd, "x", 1, 1 << 20) == 1);
  TRY(lseek(fd, 0, SEEK_DATA) > 0);
  close(fd);
  return NULL;
}

static const char *modes_and_owners(void) {
  struct stat info;
  TRY(put("m", "") == 0 && chmod("m", 04711) == 0 && stat("m", &info) == 0);
  TRY((info.st_mode & 07777) == 04711);
  TRY(chown("m", 1234, 5678) == 0 && stat("m", &info) == 0);
  TRY(info.st_uid == 1234 && info.st_gid == 5678);
  TRY((info.st_mode & S_ISUID) == 0);
  return NULL;
}

static const char *set_group_id_folders(void) {
  struct stat info;
  TRY(mkdir("g", 0755) == 0 && chown("g", 0, 4321) == 0 && chmod("g", 02755) == 0);
  TRY(put("g/f", "") == 0 && stat("g/f", &info) == 0 && info.st_gid == 4321);
  return NULL;
}

static const char *times(void) {
  struct stat info;
  struct timespec both[2] = {{1000, 123000000}, {2000, 456000000}};
  TRY(put("time", "") == 0 && utimensat(AT_FDCWD, "time", both, 0) == 0);
  TRY(stat("time", &info) == 0 && info.st_atim.tv_sec == 1000 && info.st_mtim.tv_sec == 2000);
  TRY(info.st_mtim.tv_nsec == 456000000);
  return NULL;
}

static const char *pipes(void) {
  TRY(mkfifo("fifo", 0600) == 0);
  int fd = open("fifo", O_RDWR);
  char c;
  TRY(fd >= 0 && write(fd, "x", 1) == 1 && read(fd, &c, 1) == 1);
  close(fd);
  return NULL;
}

static const char *sockets(void) {
  struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "socket"};
  int server = socket(AF_UNIX, SOCK_STREAM, 0), client = socket(AF_UNIX, SOCK_STREAM, 0);
  TRY(bind(server, (struct sockaddr *)&address, sizeof address) == 0 && listen(server, 1) == 0);
  TRY(connect(client, (struct sockaddr *)&address, sizeof address) == 0);
  close(server);
  close(client);
  return NULL;
}

static const char *extended_attributes(void) {
  char value[8];
  TRY(put("x", "") == 0 && setxattr("x", "user.kata", "deno", 4, 0) == 0);
  TRY(getxattr("x", "user.kata", value, sizeof value) == 4 && memcmp(value, "deno", 4) == 0);
  TRY(removexattr("x", "user.kata") == 0);
  return NULL;
}

static const char *file_capabilities(void) {
  const char value[20] = {0, 0, 0, 2, 0, 4};
  TRY(put("cap", "") == 0 && setxattr("cap", "security.capability", value, sizeof value, 0) == 0);
  return NULL;
}

static const char *direct_io(void) {
  void *buffer;
  TRY(posix_memalign(&buffer, 4096, 4096) == 0);
  memset(buffer, 'd', 4096);
  int fd = open("direct", O_RDWR | O_CREAT | O_DIRECT, 0600);
  TRY(fd >= 0 && pwrite(fd, buffer, 4096, 0) == 4096 && pread(fd, buffer, 4096, 0) == 4096);
  close(fd);
  free(buffer);
  return NULL;
}

static int child_fails_to_lock(int (*lock)(const char *), const char *path) {
  pid_t child = fork();
  if (child == 0) _exit(lock(path) == -1 ? 0 : 1);
  int status;
  return waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static int lock_by_flock(const char *path) {
  return flock(open(path, O_RDWR), LOCK_EX | LOCK_NB);
}

static int lock_by_fcntl(const char *path) {
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
  return fcntl(open(path, O_RDWR), F_SETLK, &lock);
}

static const char *locks(void) {
  TRY(put("l", "") == 0 && lock_by_flock("l") == 0);
  TRY(child_fails_to_lock(lock_by_flock, "l"));
  TRY(put("p", "") == 0 && lock_by_fcntl("p") == 0);
  TRY(child_fails_to_lock(lock_by_fcntl, "p"));
  return NULL;
}

static const char *shared_memory_maps(void) {
  int fd = open("map", O_RDWR | O_CREAT, 0600);
  TRY(fd >= 0 && ftruncate(fd, 8192) == 0);
  char *map = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  TRY(map != MAP_FAILED);
  map[4096] = 'm';
  TRY(msync(map, 8192, MS_SYNC) == 0);
  char c;
  TRY(pread(fd, &c, 1, 4096) == 1 && c == 'm');
  TRY(pwrite(fd, "n", 1, 0) == 1 && map[0] == 'n');
  munmap(map, 8192);
  close(fd);
  return NULL;
}

static const char *nameless_files(void) {
  int fd = open(".", O_TMPFILE | O_RDWR, 0600);
  TRY(fd >= 0 && write(fd, "x", 1) == 1);
  close(fd);
  return NULL;
}

static const char *preallocation(void) {
  int fd = open("fallocate", O_RDWR | O_CREAT, 0600);
  TRY(fd >= 0 && fallocate(fd, 0, 0, 1 << 20) == 0);
  close(fd);
  return NULL;
}

static const char *long_and_odd_names(void) {
  char name[256];
  memset(name, 'n', 255);
  name[255] = 0;
  TRY(put(name, "x") == 0 && holds(name, "x"));
  TRY(put("\xff\xfe not utf-8 \x80", "x") == 0 && holds("\xff\xfe not utf-8 \x80", "x"));
  TRY(mkdir("odd", 0755) == 0 && put("odd/\xff", "") == 0);
  DIR *folder = opendir("odd");
  TRY(folder != NULL);
  int found = 0;
  for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
    found |= strcmp(entry->d_name, "\xff") == 0;
  }
  closedir(folder);
  errno = 0;
  TRY(found);
  return NULL;
}

static const char *folder_not_empty(void) {
  TRY(mkdir("full", 0755) == 0 && put("full/f", "") == 0);
  TRY(rmdir("full") == -1 && errno == ENOTEMPTY);
  return NULL;
}

static const char *working_folder_moves(void) {
  TRY(mkdir("w1", 0755) == 0 && chdir("w1") == 0);
  TRY(rename("../w1", "../w2") == 0 && put("inside", "x") == 0 && chdir("..") == 0);
  TRY(holds("w2/inside", "x"));
  return NULL;
}

static const char *programs_run(void) {
  TRY(put("script", "#!/bin/sh\nexit 7\n") == 0 && chmod("script", 0755) == 0);
  TRY(WEXITSTATUS(system("./script")) == 7);
  return NULL;
}

static const char *many_files(void) {
  char name[32];
  TRY(mkdir("many", 0755) == 0);
  for (long i = 0; i < files; i++) {
    snprintf(name, sizeof name, "many/%ld", i);
    int fd = open(name, O_CREAT | O_EXCL | O_WRONLY, 0644);
    TRY(fd >= 0 && close(fd) == 0);
  }
  DIR *folder = opendir("many");
  long count = 0;
  while (readdir(folder) != NULL) count++;
  closedir(folder);
  errno = 0;
  TRY(count == files + 2);
  for (long i = 0; i < files; i++) {
    snprintf(name, sizeof name, "many/%ld", i);
    TRY(unlink(name) == 0);
  }
  TRY(rmdir("many") == 0);
  return NULL;
}

static const struct {
  const char *name;
  const char *(*run)(void);
} cases[] = {
    {"rename replaces", rename_replaces},
    {"rename of a folder over a full one", rename_folder_over_full_one},
    {"rename without replacing", rename_without_replacing},
    {"hard links", hard_links},
    {"symbolic links", symbolic_links},
    {"a file lives after unlink", file_lives_after_unlink},
    {"exclusive create", exclusive_create},
    {"append and truncate", append_and_truncate},
    {"sparse files", sparse_files},
    {"SEEK_DATA", seek_hole},
    {"modes and owners", modes_and_owners},
    {"set-group-ID folders", set_group_id_folders},
    {"times", times},
    {"pipes", pipes},
    {"sockets", sockets},
    {"extended attributes", extended_attributes},
    {"file capabilities", file_capabilities},
    {"O_DIRECT", direct_io},
    {"locks", locks},
    {"shared memory maps", shared_memory_maps},
    {"O_TMPFILE", nameless_files},
    {"fallocate", preallocation},
    {"long and odd names", long_and_odd_names},
    {"a folder that is not empty", folder_not_empty},
    {"the working folder moves", working_folder_moves},
    {"programs run", programs_run},
    {"many files", many_files},
};

int main(int argc, char **argv) {
  if (argc < 2 || chdir(argv[1]) != 0) return 2;
  if (argc > 2) files = atol(argv[2]);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    errno = 0;
    const char *problem = cases[i].run();
    printf("%s: %s\n", cases[i].name, problem ? problem : "ok");
    fflush(stdout);
  }
  return 0;
}
