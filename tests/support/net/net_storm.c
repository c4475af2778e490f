/*
 * net_storm: many short TCP connections at a steady rate, whether or not those before have ended.
 *
 *   net_storm HOST PORT RATE SECONDS
 *
 * The other end is net_peer. Each connection sends two bytes, hears the second of them, waits for the end and closes.
 * Prints how many came back and how many did not, what took how long, and the most that were open at once; fails
 * when one did not come back.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MAX_FD = 16384, MAX_COUNT = 1000000, EVENTS = 256, TIMEOUT_S = 30 };

struct connection {
    double started; /* 0: none */
    int heard;
};

static struct connection connections[MAX_FD];
static float took_ms[MAX_COUNT];
static long good, bad, started, open_now, open_most;
static int last_error;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static void die(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    exit(2);
}

static socklen_t parse_address(const char *host, const char *port, struct sockaddr_storage *into)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)into;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)into;
    memset(into, 0, sizeof *into);
    v6->sin6_port = htons((uint16_t)atoi(port)); /* at the same place in both */
    if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        return sizeof *v4;
    }
    v6->sin6_family = AF_INET6;
    if (inet_pton(AF_INET6, host, &v6->sin6_addr) == 1)
        return sizeof *v6;
    errno = EINVAL;
    die(host);
    return 0;
}

static void end(int fd, int right, int error)
{
    if (right)
        took_ms[good++] = (float)((now() - connections[fd].started) * 1e3);
    else {
        bad++;
        last_error = error;
    }
    connections[fd].started = 0;
    open_now--;
    close(fd);
}

static void begin(int epoll, const struct sockaddr_storage *peer, socklen_t size)
{
    int fd = socket(peer->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct epoll_event wanted = {.events = EPOLLOUT, .data.fd = fd};
    started++;
    if (fd < 0 || fd >= MAX_FD)
        die("socket");
    connections[fd] = (struct connection){.started = now()};
    if (++open_now > open_most)
        open_most = open_now;
    if (connect(fd, (const struct sockaddr *)peer, size) != 0 && errno != EINPROGRESS)
        end(fd, 0, errno);
    else if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &wanted) != 0)
        die("epoll_ctl");
}

static void go_on(int epoll, int fd, uint32_t events)
{
    struct epoll_event wanted = {.events = EPOLLIN, .data.fd = fd};
    char bytes[2];
    if (events & EPOLLOUT) {
        if (write(fd, "Cx", 2) != 2)
            end(fd, 0, errno);
        else
            epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &wanted);
        return;
    }
    ssize_t n = read(fd, bytes, sizeof bytes);
    if (n < 0)
        end(fd, 0, errno);
    else if (n == 0)
        end(fd, connections[fd].heard == 1, ECONNRESET);
    else
        connections[fd].heard += n == 1 && bytes[0] == 'x' ? 1 : 2;
}

static void end_late(double limit)
{
    for (int fd = 0; fd < MAX_FD; fd++)
        if (connections[fd].started > 0 && connections[fd].started < limit)
            end(fd, 0, ETIMEDOUT);
}

static int compare(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return x < y ? -1 : x > y;
}

static void report(double seconds)
{
    qsort(took_ms, (size_t)good, sizeof *took_ms, compare);
    printf("%ld good %ld bad %.0f /s, %.1f ms median, %.1f ms p99, %.1f ms at most, %ld at once%s%s\n", good, bad,
           good / seconds, took_ms[good / 2], took_ms[good * 99 / 100], took_ms[good ? good - 1 : 0], open_most,
           bad ? ": " : "", bad ? strerror(last_error) : "");
    exit(bad > 0);
}

int main(int argc, char **argv)
{
    struct sockaddr_storage peer;
    struct epoll_event ready[EVENTS];
    struct rlimit files;
    if (argc != 5)
        return 2;
    socklen_t size = parse_address(argv[1], argv[2], &peer);
    double rate = atof(argv[3]);
    long count = (long)(rate * atof(argv[4]));
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0 || count < 1 || count > MAX_COUNT)
        die("arguments");
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    double start = now(), checked = start;
    while (good + bad < count) {
        double at = now();
        while (started < count && start + started / rate <= at)
            begin(epoll, &peer, size);
        double wait = started < count ? (start + started / rate - now()) * 1e3 : 1000;
        int n = epoll_wait(epoll, ready, EVENTS, wait < 0 ? 0 : wait > 1000 ? 1000 : (int)wait);
        for (int i = 0; i < n; i++)
            go_on(epoll, ready[i].data.fd, ready[i].events);
        if (at - checked > 1) {
            end_late(at - TIMEOUT_S);
            checked = at;
        }
    }
    report(now() - start);
}
