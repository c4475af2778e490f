/*
 * kata-relay: the process on the host that stands for one process inside a VM.
 *
 * Engines take its pid for the process's: they wait for it, signal it, and look into its namespaces. It carries no
 * bytes. Its arguments are for ps(1) only. Descriptors that it may be given:
 *
 *   0  a stream socket to the server of the pod (always)
 *   3  a network namespace to live in
 *   4  a terminal, to be its controlling one, so that changes of size and hang-ups arrive as signals
 *   5  a pipe for the pid, 4 bytes in native order: it then has namespaces of its own (or those of 6 and 7), in which
 *      it is a child, and its first process ends at once
 *   6  the PID namespace and
 *   7  the mount namespace of another relay, to join
 *
 * The variable RELAY_NETNS asks for a new network namespace, RELAY_MOUNTS for a mount namespace without a PID namespace.
 *
 * From the server: 'E' and a byte, the status to end with; or 'R', four bytes of length and that many bytes: a root
 * file system's path, then pairs of source and destination, each ended by NUL. It makes them its own root and mounts,
 * so that what engines do in its mount namespace they do to the container's files. The end of the stream (the server
 * died) means 255.
 * To the server: one byte. 1 to 127: the number of a signal that somebody sent to this pid, to be passed on; 0: the
 * root is in place; above 127: it is not, for the reason errno + 128.
 * SIGKILL cannot be caught: the server sees that this process ended before it was told to.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SERVER = 0, NETNS = 3, TERMINAL = 4, REPORT = 5, PIDNS = 6, MNTNS = 7 };
enum { STATUS_UNKNOWN = 255, STATUS_NO_NAMESPACE = 254, STATUS_NO_SIGNALS = 253 };
enum { MAX_ROOT_BYTES = 1024 * 1024 };

static int is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

/* Reads all of it; signals are blocked, but SIGSTOP and SIGCONT are not. */
static int read_all(int fd, void *into, size_t length)
{
    char *at = into;
    while (length > 0) {
        ssize_t count = read(fd, at, length);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return -1;
        at += count;
        length -= (size_t)count;
    }
    return 0;
}

/* A server that is busy must not stop this process from hearing its end: what does not fit is dropped. */
static void tell(unsigned char byte)
{
    (void)send(SERVER, &byte, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* Every signal that can be caught will arrive as data, so none is lost and no handler runs. */
static sigset_t block_signals(void)
{
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    return all;
}

static void forward(int signals)
{
    struct signalfd_siginfo info;
    if (read_all(signals, &info, sizeof info) == 0)
        tell((unsigned char)info.ssi_signo);
}

static int join(int fd, int kind)
{
    if (!is_open(fd))
        return 0;
    int result = setns(fd, kind);
    close(fd);
    return result;
}

/* A new namespace's loopback interface is down; programs on the host that look into it expect it up. */
static int bring_up_loopback(void)
{
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int result = fd < 0 ? -1 : ioctl(fd, SIOCSIFFLAGS, &request);
    close(fd);
    return result;
}

static int join_network(void)
{
    if (getenv("RELAY_NETNS") == NULL)
        return join(NETNS, CLONE_NEWNET);
    return unshare(CLONE_NEWNET) != 0 ? -1 : bring_up_loopback();
}

static int own_pids;

static int separate_mounts(void)
{
    return unshare(CLONE_NEWNS) != 0 || mount("", "/", "", MS_REC | MS_SLAVE, NULL) != 0 ? -1 : 0;
}

/* Namespaces of its own for processes and mounts: the child lives in them, and this process ends. */
static int separate(void)
{
    if (!is_open(REPORT))
        return getenv("RELAY_MOUNTS") == NULL ? 0 : separate_mounts();
    own_pids = 1;
    int joins = is_open(PIDNS) && is_open(MNTNS);
    if (joins ? join(PIDNS, CLONE_NEWPID) || join(MNTNS, CLONE_NEWNS) : unshare(CLONE_NEWPID | CLONE_NEWNS))
        return -1;
    if (!joins && mount("", "/", "", MS_REC | MS_SLAVE, NULL) != 0)
        return -1;
    int32_t child = fork();
    if (child < 0)
        return -1;
    if (child > 0)
        _exit(write(REPORT, &child, sizeof child) == sizeof child ? 0 : STATUS_NO_NAMESPACE);
    close(REPORT);
    return 0;
}

/* Where the container sees a path of its own, whatever links its image has put in the way. Source: openat2(2). */
static int inside(int root, const char *path)
{
    struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
    return (int)syscall(SYS_openat2, root, path, &how, sizeof how);
}

/* A mount point that the image lacks, or a source that has gone, hides nothing: it is left out. */
static void mount_inside(int root, const char *source, const char *target, const char *type, unsigned long flags)
{
    char path[32];
    int fd = inside(root, target);
    if (fd < 0)
        return;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    (void)mount(source, path, type, flags, NULL);
    close(fd);
}

/* Makes the container's root file system this process's own. Source: pivot_root(2), "pivot_root(".", ".")". */
static int enter_root(const char *text, size_t length)
{
    const char *end = text + length;
    if (length == 0 || end[-1] != '\0' || mount(text, text, "", MS_BIND | MS_REC, NULL) != 0)
        return -1;
    int root = open(text, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0)
        return -1;
    if (own_pids) /* otherwise it would show the host's processes */
        mount_inside(root, "proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC);
    for (const char *source = text + strlen(text) + 1; source < end;) {
        const char *target = source + strlen(source) + 1;
        if (target >= end)
            break;
        mount_inside(root, source, target, "", MS_BIND | MS_REC);
        source = target + strlen(target) + 1;
    }
    if (fchdir(root) != 0 || syscall(SYS_pivot_root, ".", ".") != 0 || umount2(".", MNT_DETACH) != 0)
        return -1;
    close(root);
    return chdir("/");
}

static void receive_root(void)
{
    uint32_t length;
    char *text = NULL;
    errno = EINVAL;
    int bad = read_all(SERVER, &length, sizeof length) != 0 || length > MAX_ROOT_BYTES ||
              (text = malloc(length + 1)) == NULL || read_all(SERVER, text, length) != 0 ||
              enter_root(text, length) != 0;
    tell(bad ? (unsigned char)(128 + (errno & 127)) : 0);
    free(text);
}

static void live(int signals)
{
    struct pollfd waits[] = {{.fd = SERVER, .events = POLLIN}, {.fd = signals, .events = POLLIN}};
    for (;;) {
        if (poll(waits, 2, -1) < 0)
            continue;
        if (waits[0].revents != 0) {
            unsigned char word[2];
            if (read_all(SERVER, word, 1) != 0)
                _exit(STATUS_UNKNOWN);
            if (word[0] == 'R')
                receive_root();
            else
                _exit(word[0] == 'E' && read_all(SERVER, word, 1) == 0 ? word[0] : STATUS_UNKNOWN);
        }
        if (waits[1].revents != 0)
            forward(signals);
    }
}

int main(int count, char **words)
{
    sigset_t all = block_signals();
    if (join_network() != 0 || separate() != 0)
        return STATUS_NO_NAMESPACE;
    if (is_open(TERMINAL)) {
        setsid();
        ioctl(TERMINAL, TIOCSCTTY, 0);
        close(TERMINAL);
    }
    int signals = signalfd(-1, &all, SFD_CLOEXEC); /* only now: its number is one of those above */
    if (signals < 0)
        return STATUS_NO_SIGNALS;
    const char *name = count > 0 ? strrchr(words[0], '/') : NULL;
    prctl(PR_SET_NAME, name != NULL ? name + 1 : count > 0 ? words[0] : "kata-relay");
    live(signals);
}
