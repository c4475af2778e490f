/* Says how large the pipe of its standard output is. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>

int main(void) {
  int bytes = fcntl(1, F_GETPIPE_SZ);
  if (bytes < 0) {
    perror("F_GETPIPE_SZ");
    return 1;
  }
  printf("%d\n", bytes);
  return 0;
}
