/*
 * Does what Firecracker's jailer does, as its docs/jailer.md tells: checks its arguments, copies the program into a new
 * root, joins a network namespace, leaves every mount but that root behind, makes the few devices, becomes the user, and
 * runs the program with nothing of its own environment and descriptors.
 *
 * The program that it runs in tests is a server that needs more than Firecracker does: KATA_TEST_JAIL_FOLDERS names,
 * separated by colons, the folders of the host that are shown in the root as well.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define MAX_ARGS 64

struct settings {
  const char *id, *exec_file, *uid, *gid, *base, *netns;
  char *const *rest;
};

static void fail(const char *format, ...) {
  va_list values;
  int error = errno;
  va_start(values, format);
  fputs("Jailer error: ", stderr);
  vfprintf(stderr, format, values);
  if (error != 0) fprintf(stderr, ": %s", strerror(error));
  fputc('\n', stderr);
  exit(1);
}

static char *path(const char *format, ...) {
  char *text;
  va_list values;
  va_start(values, format);
  if (vasprintf(&text, format, values) < 0) fail("out of memory");
  return text;
}

static void make_folders(const char *name) {
  char *copy = path("%s", name);
  for (char *at = copy + 1;; at++) {
    if (*at != '/' && *at != '\0') continue;
    char end = *at;
    *at = '\0';
    if (mkdir(copy, 0755) != 0 && errno != EEXIST) fail("cannot make %s", copy);
    if (end == '\0') return;
    *at = end;
  }
}

static unsigned number(const char *name, const char *text) {
  char *end;
  unsigned long value = strtoul(text == NULL ? "" : text, &end, 10);
  errno = 0;
  if (text == NULL || *text == '\0' || *end != '\0') fail("--%s needs a number", name);
  return (unsigned)value;
}

static struct settings read_arguments(int count, char **args) {
  struct settings found = {.base = "/srv/jailer"};
  const struct {
    const char *name;
    const char **value;
  } known[] = {{"--id", &found.id},           {"--exec-file", &found.exec_file},
               {"--uid", &found.uid},         {"--gid", &found.gid},
               {"--netns", &found.netns},     {"--chroot-base-dir", &found.base}};
  int at = 1;
  for (; at < count && strcmp(args[at], "--") != 0; at += 2) {
    size_t which = 0;
    while (which < sizeof known / sizeof *known && strcmp(args[at], known[which].name) != 0) which++;
    if (which == sizeof known / sizeof *known) fail("found argument '%s' which wasn't expected", args[at]);
    if (at + 1 == count) fail("the argument '%s' requires a value", args[at]);
    *known[which].value = args[at + 1];
  }
  found.rest = args + (at < count ? at + 1 : count);
  return found;
}

static void check(const struct settings *settings) {
  const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-";
  if (settings->id == NULL || settings->exec_file == NULL) fail("--id and --exec-file are required");
  size_t length = strlen(settings->id);
  if (length < 1 || length > 64 || strspn(settings->id, letters) != length) fail("invalid instance id");
  if (settings->exec_file[0] != '/') fail("%s is no absolute path", settings->exec_file);
  if (strstr(strrchr(settings->exec_file, '/'), "firecracker") == NULL) {
    fail("the name of %s does not contain firecracker", settings->exec_file);
  }
  struct stat info;
  if (stat(settings->exec_file, &info) != 0 || !S_ISREG(info.st_mode)) fail("%s", settings->exec_file);
}

static void copy_program(const char *from, const char *to) {
  char buffer[65536];
  int in = open(from, O_RDONLY | O_CLOEXEC), out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
  if (in < 0 || out < 0) fail("cannot copy %s to %s", from, to);
  for (ssize_t size; (size = read(in, buffer, sizeof buffer)) != 0;) {
    if (size < 0 || write(out, buffer, (size_t)size) != size) fail("cannot copy %s", from);
  }
  close(in);
  close(out);
}

static void show_folders(const char *root) {
  char *folders = getenv("KATA_TEST_JAIL_FOLDERS");
  for (char *each = folders == NULL ? NULL : strtok(folders, ":"); each != NULL; each = strtok(NULL, ":")) {
    if (access(each, F_OK) != 0) continue;
    char *target = path("%s%s", root, each);
    make_folders(target);
    if (mount(each, target, NULL, MS_BIND | MS_REC, NULL) != 0) fail("cannot show %s", each);
  }
}

static void enter_root(const char *root) {
  if (unshare(CLONE_NEWNS) != 0) fail("unshare");
  if (mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL) != 0) fail("cannot cut mounts off");
  if (mount(root, root, NULL, MS_BIND | MS_REC, NULL) != 0) fail("cannot bind %s", root);
  show_folders(root);
  if (chdir(root) != 0 || mkdir("old_root", 0755) != 0) fail("%s", root);
  if (syscall(SYS_pivot_root, ".", "old_root") != 0) fail("pivot_root");
  if (chdir("/") != 0 || umount2("old_root", MNT_DETACH) != 0 || rmdir("old_root") != 0) fail("old_root");
}

static void make_device(const char *name, unsigned major_number, unsigned minor_number, uid_t uid, gid_t gid) {
  if (mknod(name, S_IFCHR | 0600, makedev(major_number, minor_number)) != 0) fail("cannot make %s", name);
  if (chown(name, uid, gid) != 0) fail("%s", name);
}

static void furnish(uid_t uid, gid_t gid) {
  const char *folders[] = {"/", "/dev", "/dev/net", "/run"};
  for (size_t at = 0; at < sizeof folders / sizeof *folders; at++) {
    if (mkdir(folders[at], 0700) != 0 && errno != EEXIST) fail("%s", folders[at]);
    if (chmod(folders[at], 0700) != 0 || chown(folders[at], uid, gid) != 0) fail("%s", folders[at]);
  }
  make_device("/dev/net/tun", 10, 200, uid, gid);
  make_device("/dev/kvm", 10, 232, uid, gid);
  make_device("/dev/urandom", 1, 9, uid, gid);
  make_device("/dev/null", 1, 3, uid, gid); /* the server's, as are the folders */
}

int main(int count, char **args) {
  struct settings settings = read_arguments(count, args);
  check(&settings);
  uid_t uid = number("uid", settings.uid);
  gid_t gid = number("gid", settings.gid);
  close_range(3, ~0U, 0);
  const char *name = strrchr(settings.exec_file, '/') + 1;
  char *root = path("%s/%s/%s/root", settings.base, name, settings.id), *program = path("/%s", name);
  make_folders(root);
  copy_program(settings.exec_file, path("%s%s", root, program));
  int netns = settings.netns == NULL ? -1 : open(settings.netns, O_RDONLY | O_CLOEXEC);
  if (settings.netns != NULL && (netns < 0 || setns(netns, CLONE_NEWNET) != 0)) fail("%s", settings.netns);
  enter_root(root);
  furnish(uid, gid);
  if (chown(program, uid, gid) != 0) fail("%s", program);
  if (setgroups(0, NULL) != 0 || setresgid(gid, gid, gid) != 0 || setresuid(uid, uid, uid) != 0) fail("user");
  const char *argv[MAX_ARGS] = {program, "--id", settings.id, "--start-time-us", "0", "--start-time-cpu-us", "0"};
  int at = 7;
  for (char *const *each = settings.rest; *each != NULL && at < MAX_ARGS - 1; each++) argv[at++] = *each;
  char *environment[] = {NULL};
  execve(program, (char *const *)argv, environment);
  fail("cannot run %s", program);
}
