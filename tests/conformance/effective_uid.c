/* Says as whom it runs: critest reads what a set-user-ID program gained. */
#include <stdio.h>
#include <unistd.h>

int main(void)
{
    printf("Effective uid: %d\n", (int)geteuid());
    return 0;
}
