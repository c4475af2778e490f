/* Prints the name of the first file that is renamed to inside a folder. Usage: await_rename FOLDER */
#include <stdio.h>
#include <sys/inotify.h>
#include <unistd.h>

int main(int argc, char **argv) {
  union {
    struct inotify_event event;
    char bytes[4096];
  } buffer;
  int fd = inotify_init();
  if (argc < 2 || fd < 0 || inotify_add_watch(fd, argv[1], IN_MOVED_TO) < 0) return 2;
  puts("watching");
  fflush(stdout);
  if (read(fd, &buffer, sizeof buffer) <= 0) return 1;
  puts(buffer.event.name);
  return 0;
}
