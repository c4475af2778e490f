// SPDX-License-Identifier: Apache-2.0
/*
 * PID 1 of the guest: prepares the machine for the agent, starts it, and powers
 * the VM off when it ends. One static program, because where the CPU is emulated
 * each exec of a shell's helpers costs 10-50 ms.
 *
 * In order: a root that pivot_root(2) accepts, the kernel's file systems, kernel
 * modules, loopback, the agent. Then it reaps orphans and loads the modules of
 * devices plugged in later, until the agent ends.
 *
 * The agent's environment tells when each step was over, in ms of CLOCK_BOOTTIME:
 *   KATA_INIT_TIMELINE="init=812.1 mounts=815.0 modules=905.3 agent=906.0"
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define AGENT "/usr/bin/kata-agent"
/* Lines "<prefix of a modalias, or *> <path of a module>", dependencies first. */
#define MODULE_LIST "/etc/kata-modules"
#define MAX_LIST_BYTES (64 * 1024)
#define MAX_MODULES 128
#define MAX_OPEN_FILES (1024 * 1024)

/* ---- messages ---- */

static void warn_about(const char *what, const char *subject)
{
	dprintf(STDERR_FILENO, "kata-init: cannot %s %s: %s\n", what, subject, strerror(errno));
}

static char timeline[256] = "KATA_INIT_TIMELINE=";

/* Notes that a step of the start is over. */
static void mark(const char *step)
{
	struct timespec now;
	size_t used = strlen(timeline);

	clock_gettime(CLOCK_BOOTTIME, &now);
	snprintf(timeline + used, sizeof(timeline) - used, "%s%s=%ld.%ld",
		 timeline[used - 1] == '=' ? "" : " ", step,
		 (long)now.tv_sec * 1000 + now.tv_nsec / 1000000, now.tv_nsec / 100000 % 10);
}

/* ---- file systems ---- */

/*
 * pivot_root(2) refuses the initramfs, which has no parent mount. A bind mount
 * of it, moved over "/", is an ordinary mount, and copies nothing.
 */
static void leave_initramfs(void)
{
	struct statfs root;

	if (statfs("/", &root) != 0 || (root.f_type != TMPFS_MAGIC && root.f_type != RAMFS_MAGIC))
		return; /* started from a disk image: already an ordinary mount */
	if (mount("/", "/mnt", NULL, MS_BIND, NULL) != 0 || chdir("/mnt") != 0 ||
	    mount(".", "/", NULL, MS_MOVE, NULL) != 0 || chroot(".") != 0 || chdir("/") != 0)
		warn_about("leave", "the initramfs");
}

struct mount_point {
	const char *type, *target;
	unsigned long flags;
	const char *data;
};

#define SAFE (MS_NOSUID | MS_NODEV | MS_NOEXEC)

/* What the agent, the container runtime and containers expect; guest paths are Kata's. */
static const struct mount_point mount_points[] = {
	{ "proc", "/proc", SAFE, NULL },
	{ "sysfs", "/sys", SAFE, NULL },
	{ "devtmpfs", "/dev", MS_NOSUID, "mode=755" },
	{ "devpts", "/dev/pts", MS_NOSUID | MS_NOEXEC, "gid=5,mode=620,ptmxmode=666" },
	{ "tmpfs", "/dev/shm", MS_NOSUID | MS_NODEV, "mode=1777" },
	{ "mqueue", "/dev/mqueue", SAFE, NULL },
	{ "tmpfs", "/run", MS_NOSUID | MS_NODEV, "mode=755" },
	{ "tmpfs", "/tmp", MS_NOSUID | MS_NODEV, "mode=1777" },
	{ "cgroup2", "/sys/fs/cgroup", SAFE, "nsdelegate" },
};

static void mount_all(void)
{
	for (size_t i = 0; i < sizeof(mount_points) / sizeof(*mount_points); i++) {
		const struct mount_point *m = &mount_points[i];

		if (mkdir(m->target, 0755) != 0 && errno != EEXIST && errno != EROFS)
			warn_about("create", m->target);
		/* EBUSY: a kernel with CONFIG_DEVTMPFS_MOUNT has been here first. */
		if (mount(m->type, m->target, m->type, m->flags, m->data) != 0 && errno != EBUSY)
			warn_about("mount", m->target);
	}
}

/*
 * The kernel's console may have no interrupt that a program's writes need, or not be there at all: then the kernel
 * starts us without the three descriptors that every program takes for granted.
 */
static void have_standard_streams(void)
{
	int fd;

	while ((fd = open("/dev/null", O_RDWR)) >= 0 && fd <= STDERR_FILENO)
		;
	if (fd > STDERR_FILENO)
		close(fd);
}

static void link_devices(void)
{
	static const char *const links[][2] = {
		{ "pts/ptmx", "/dev/ptmx" },
		{ "/proc/self/fd", "/dev/fd" },
		{ "/proc/self/fd/0", "/dev/stdin" },
		{ "/proc/self/fd/1", "/dev/stdout" },
		{ "/proc/self/fd/2", "/dev/stderr" },
	};

	for (size_t i = 0; i < sizeof(links) / sizeof(*links); i++) {
		unlink(links[i][1]); /* the kernel's own /dev/ptmx node */
		if (symlink(links[i][0], links[i][1]) != 0)
			warn_about("link", links[i][1]);
	}
}

/* One write each: a controller that the kernel lacks must not cost the others. */
static void enable_controllers(void)
{
	static const char *const controllers[] = { "+cpu", "+cpuset", "+memory", "+pids", "+io", "+hugetlb", "+misc" };
	int fd = open("/sys/fs/cgroup/cgroup.subtree_control", O_WRONLY | O_CLOEXEC);

	if (fd < 0) {
		warn_about("open", "cgroup.subtree_control");
		return;
	}
	for (size_t i = 0; i < sizeof(controllers) / sizeof(*controllers); i++)
		if (write(fd, controllers[i], strlen(controllers[i])) < 0 && errno != EINVAL && errno != ENOENT)
			warn_about("enable cgroup controller", controllers[i]);
	close(fd);
}

/* ---- kernel modules ---- */

struct module {
	const char *alias, *path;
	bool loaded;
};

static struct module modules[MAX_MODULES];
static size_t module_count;
static char module_list[MAX_LIST_BYTES];

/* Reads the list; a kernel with everything built in comes without one. */
static void read_module_list(void)
{
	int fd = open(MODULE_LIST, O_RDONLY | O_CLOEXEC);
	ssize_t size = fd < 0 ? 0 : read(fd, module_list, sizeof(module_list) - 1);
	char *save = NULL;

	if (fd >= 0)
		close(fd);
	if (size <= 0)
		return;
	module_list[size] = '\0';
	for (char *word = strtok_r(module_list, " \n", &save); word && module_count < MAX_MODULES;
	     word = strtok_r(NULL, " \n", &save)) {
		modules[module_count].alias = word;
		modules[module_count].path = strtok_r(NULL, " \n", &save);
		if (modules[module_count].path)
			module_count++;
	}
}

static void load_module(struct module *module)
{
	int fd = open(module->path, O_RDONLY | O_CLOEXEC);

	module->loaded = true;
	if (fd < 0 || (syscall(SYS_finit_module, fd, "", 0) != 0 && errno != EEXIST))
		warn_about("load", module->path);
	if (fd >= 0)
		close(fd);
}

/* Loads, in the list's order, what serves a device; "*" stands for "always". */
static void load_modules_for(const char *modalias)
{
	for (size_t i = 0; i < module_count; i++)
		if (!modules[i].loaded && strncmp(modalias, modules[i].alias, strlen(modules[i].alias)) == 0)
			load_module(&modules[i]);
}

/* ---- devices that appear ---- */

static int listen_for_devices(void)
{
	const struct sockaddr_nl kernel_events = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	const int buffer_bytes = 1024 * 1024;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);

	if (fd < 0 || bind(fd, (const struct sockaddr *)&kernel_events, sizeof(kernel_events)) != 0)
		warn_about("listen for", "devices");
	else
		setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer_bytes, sizeof(buffer_bytes));
	return fd;
}

/* An event is a run of texts: "add@/devices/...", then "KEY=value" pairs. */
static void serve_devices(int fd)
{
	static const char key[] = "MODALIAS=";
	char event[8192 + 1];
	ssize_t size;

	while ((size = recv(fd, event, sizeof(event) - 1, MSG_DONTWAIT)) > 0) {
		event[size] = '\0';
		if (strncmp(event, "add@", 4) != 0)
			continue;
		for (char *text = event; text < event + size; text += strlen(text) + 1)
			if (strncmp(text, key, sizeof(key) - 1) == 0)
				load_modules_for(text + sizeof(key) - 1);
	}
}

/* ---- the rest of the machine ---- */

static void bring_loopback_up(void)
{
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) != 0)
		warn_about("bring up", "lo");
	if (fd >= 0)
		close(fd);
}

/* The kernel's hard limit of 4096 files would be what every container gets. */
static void raise_limits(void)
{
	const struct rlimit files = { .rlim_cur = 1024, .rlim_max = MAX_OPEN_FILES };

	if (setrlimit(RLIMIT_NOFILE, &files) != 0)
		warn_about("raise", "RLIMIT_NOFILE");
}

/* ---- the agent ---- */

static pid_t start_agent(const sigset_t *signals)
{
	char *const arguments[] = { AGENT, NULL };
	char *const environment[] = {
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME=/root", "TERM=linux", "TMPDIR=/var/cache/kata-agent", timeline, NULL,
	};
	pid_t pid = fork();

	if (pid < 0)
		warn_about("fork for", AGENT);
	if (pid != 0)
		return pid;
	sigprocmask(SIG_UNBLOCK, signals, NULL);
	setsid();
	execve(AGENT, arguments, environment);
	warn_about("start", AGENT);
	_exit(127);
}

/* Reaps every child. Returns true once the agent is among them. */
static bool reap(pid_t agent, int *status)
{
	pid_t pid;
	int ended;
	bool agent_ended = false;

	while ((pid = waitpid(-1, &ended, WNOHANG)) > 0)
		if (pid == agent) {
			*status = ended;
			agent_ended = true;
		}
	return agent_ended;
}

/* Serves children and devices until the agent ends. */
static int supervise(pid_t agent, const sigset_t *signals, int devices)
{
	struct pollfd waits[] = {
		{ .fd = signalfd(-1, signals, SFD_CLOEXEC | SFD_NONBLOCK), .events = POLLIN },
		{ .fd = devices, .events = POLLIN },
	};
	int status = 0;

	while (agent > 0 && !reap(agent, &status)) {
		struct signalfd_siginfo info;

		poll(waits, 2, -1);
		while (read(waits[0].fd, &info, sizeof(info)) > 0)
			; /* one SIGCHLD may stand for many children: reap() asks for all */
		serve_devices(devices);
	}
	return status;
}

static void report(int status)
{
	if (WIFSIGNALED(status))
		dprintf(STDERR_FILENO, "kata-init: the agent was killed by signal %d (%s)\n", WTERMSIG(status),
			strsignal(WTERMSIG(status)));
	else
		dprintf(STDERR_FILENO, "kata-init: the agent ended with exit code %d\n", WEXITSTATUS(status));
}

/*
 * Ends the VM. Machines without ACPI (Firecracker, microvm) cannot power off and
 * end on a restart instead; their command line says how with "reboot=".
 */
static void end_machine(void)
{
	char line[4096] = "";
	int fd = open("/proc/cmdline", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, line, sizeof(line) - 1) < 0)
		warn_about("read", "/proc/cmdline");
	kill(-1, SIGKILL);
	sync();
	reboot(strstr(line, "reboot=") ? RB_AUTOBOOT : RB_POWER_OFF);
	warn_about("end", "the machine");
}

int main(void)
{
	sigset_t signals;
	int devices, status;
	pid_t agent;

	mark("init");
	sigemptyset(&signals);
	sigaddset(&signals, SIGCHLD);
	sigprocmask(SIG_BLOCK, &signals, NULL);

	leave_initramfs();
	mount_all();
	have_standard_streams();
	link_devices();
	enable_controllers();
	mark("mounts");

	read_module_list();
	devices = listen_for_devices();
	load_modules_for("*");
	serve_devices(devices);
	mark("modules");

	bring_loopback_up();
	raise_limits();
	mark("agent");
	agent = start_agent(&signals);
	status = supervise(agent, &signals, devices);
	report(status);
	end_machine();
	return 1;
}
