/* Loaded before the C library of a daemon: a disk that is slow or fails its syncs, and a wall clock that is off,
 * as the test sets them in a file that both have mapped. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

struct knobs {
    volatile long sync_ms;
    volatile long sync_errno;
    volatile long wall_seconds;
};

static struct knobs *knobs;

__attribute__((constructor)) static void map_knobs(void) {
    const char *path = getenv("ORACLE_KNOBS");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    void *at = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *knobs, PROT_READ, MAP_SHARED, fd, 0);
    knobs = at == MAP_FAILED ? NULL : at;
}

int fdatasync(int fd) {
    if (knobs && knobs->sync_ms > 0) {
        struct timespec wait = {knobs->sync_ms / 1000, knobs->sync_ms % 1000 * 1000000};
        nanosleep(&wait, NULL);
    }
    if (knobs && knobs->sync_errno > 0) {
        errno = (int)knobs->sync_errno;
        return -1;
    }
    return (int)syscall(SYS_fdatasync, fd);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int failed = (int)syscall(SYS_clock_gettime, clock, now);
    if (!failed && knobs && clock == CLOCK_REALTIME)
        now->tv_sec += knobs->wall_seconds;
    return failed;
}
