/* A disk that can be told to fail, to kill its caller and to keep a log: for LD_PRELOAD.
 *
 * Concerns only files below ROWSTEAD_DISK_FOLDER. ROWSTEAD_DISK_CONTROL is a file with `struct control`,
 * shared with tests/faults/disk.py: it counts calls, and says which of them fail and how.
 * ROWSTEAD_DISK_LOG, if set, gets every change in order (read by tests/faults/power.py).
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WRITE, SYNC, READ, TRUNCATE, OPEN, UNLINK, CHANGE, KINDS }; /* CHANGE: any but READ and OPEN */
enum { NAMED, WRITTEN, TRUNCATED, SYNCED, CREATED, UNLINKED };

struct control {
    int64_t calls[KINDS];
    int64_t first[KINDS]; /* the first and the last call that fail, counted from 1; 0: none */
    int64_t last[KINDS];
    int64_t hits;
    int64_t error;
    int64_t kill; /* instead of failing: end the process there and then */
};

struct record {
    int32_t event, file;
    int64_t offset, length;
};

#define FILES 4096
#define NAMES 256

static const char *folder;
static size_t folder_length;
static struct control *control;
static int log_fd = -1;
static int file_of[FILES]; /* descriptor -> number of its name, from 1; 0: not ours */
static char *names[NAMES];
static int named;
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;

static int (*real_open)(const char *, int, ...);
static int (*real_close)(int);
static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static ssize_t (*real_read)(int, void *, size_t);
static ssize_t (*real_pread)(int, void *, size_t, off_t);
static int (*real_fsync)(int);
static int (*real_fdatasync)(int);
static int (*real_ftruncate)(int, off_t);
static int (*real_unlink)(const char *);

__attribute__((constructor)) static void begin(void) {
    real_open = dlsym(RTLD_NEXT, "open64");
    real_close = dlsym(RTLD_NEXT, "close");
    real_write = dlsym(RTLD_NEXT, "write");
    real_pwrite = dlsym(RTLD_NEXT, "pwrite64");
    real_read = dlsym(RTLD_NEXT, "read");
    real_pread = dlsym(RTLD_NEXT, "pread64");
    real_fsync = dlsym(RTLD_NEXT, "fsync");
    real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
    real_ftruncate = dlsym(RTLD_NEXT, "ftruncate64");
    real_unlink = dlsym(RTLD_NEXT, "unlink");
    folder = getenv("ROWSTEAD_DISK_FOLDER");
    const char *shared = getenv("ROWSTEAD_DISK_CONTROL");
    const char *log = getenv("ROWSTEAD_DISK_LOG");
    if (!folder || !shared) {
        folder = NULL;
        return;
    }
    folder_length = strlen(folder);
    int fd = real_open(shared, O_RDWR);
    void *mapped = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (fd < 0 || mapped == MAP_FAILED)
        abort();
    control = mapped;
    real_close(fd);
    if (log && *log && (log_fd = real_open(log, O_WRONLY | O_CREAT | O_APPEND, 0600)) < 0)
        abort();
}

static int ours(int fd) { return folder && fd >= 0 && fd < FILES ? file_of[fd] : 0; }

static int is_below(const char *path) {
    return folder && !strncmp(path, folder, folder_length) &&
           (path[folder_length] == '/' || !path[folder_length]);
}

static void put(int event, int file, int64_t offset, int64_t length, const void *data) {
    struct record made = {event, file, offset, length};
    if (log_fd < 0)
        return;
    if (real_write(log_fd, &made, sizeof made) != sizeof made)
        abort();
    if (data && real_write(log_fd, data, length) != length)
        abort();
}

/* The number of a name, made known to the log the first time. */
static int number_of(const char *path) {
    for (int i = 0; i < named; i++)
        if (!strcmp(names[i], path))
            return i + 1;
    if (named == NAMES)
        abort();
    names[named++] = strdup(path);
    put(NAMED, named, 0, strlen(path), path);
    return named;
}

/* Count a call; whether it fails, with errno set. */
static int fails(int kind) {
    int failing = 0, kinds[2] = {kind, CHANGE};
    for (int i = 0; i < (kind == READ || kind == OPEN ? 1 : 2); i++) {
        int64_t n = __atomic_add_fetch(&control->calls[kinds[i]], 1, __ATOMIC_SEQ_CST);
        failing |= control->first[kinds[i]] && control->first[kinds[i]] <= n && n <= control->last[kinds[i]];
    }
    if (!failing)
        return 0;
    __atomic_add_fetch(&control->hits, 1, __ATOMIC_SEQ_CST);
    if (control->kill)
        kill(getpid(), SIGKILL);
    errno = control->error;
    return 1;
}

static int opened(const char *path, int flags, mode_t mode) {
    if (!is_below(path))
        return real_open(path, flags, mode);
    if (fails(OPEN))
        return -1;
    pthread_mutex_lock(&turn);
    int fresh = (flags & O_CREAT) && access(path, F_OK);
    int fd = real_open(path, flags, mode);
    if (fd >= 0 && fd < FILES) {
        file_of[fd] = number_of(path);
        if (fresh)
            put(CREATED, file_of[fd], 0, 0, NULL);
    }
    pthread_mutex_unlock(&turn);
    return fd;
}

#define OPENING(name, ...)                                                                                  \
    int name(__VA_ARGS__, int flags, ...) {                                                                 \
        va_list more;                                                                                       \
        va_start(more, flags);                                                                              \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0;                             \
        va_end(more);                                                                                       \
        return opened(path, flags, mode);                                                                   \
    }
OPENING(open, const char *path)
OPENING(open64, const char *path)

int close(int fd) {
    if (ours(fd))
        file_of[fd] = 0;
    return real_close(fd);
}

static ssize_t written(int fd, const void *data, size_t length, off_t offset) {
    if (fails(WRITE))
        return -1;
    pthread_mutex_lock(&turn);
    ssize_t done = offset < 0 ? real_write(fd, data, length) : real_pwrite(fd, data, length, offset);
    int error = errno;
    if (done > 0)
        put(WRITTEN, file_of[fd], offset, done, data);
    pthread_mutex_unlock(&turn);
    errno = error;
    return done;
}

ssize_t write(int fd, const void *data, size_t length) {
    return ours(fd) ? written(fd, data, length, -1) : real_write(fd, data, length);
}
ssize_t pwrite(int fd, const void *data, size_t length, off_t offset) {
    return ours(fd) ? written(fd, data, length, offset) : real_pwrite(fd, data, length, offset);
}
ssize_t pwrite64(int fd, const void *data, size_t length, off_t offset) {
    return pwrite(fd, data, length, offset);
}

ssize_t read(int fd, void *data, size_t length) {
    return ours(fd) && fails(READ) ? -1 : real_read(fd, data, length);
}
ssize_t pread(int fd, void *data, size_t length, off_t offset) {
    return ours(fd) && fails(READ) ? -1 : real_pread(fd, data, length, offset);
}
ssize_t pread64(int fd, void *data, size_t length, off_t offset) { return pread(fd, data, length, offset); }

static int synced(int fd, int (*really)(int)) {
    if (!ours(fd))
        return really(fd);
    if (fails(SYNC))
        return -1;
    int done = 0;
    pthread_mutex_lock(&turn);
    /* What is logged is as good as synced: the log is what the power cut leaves. */
    if (log_fd < 0)
        done = really(fd);
    else
        put(SYNCED, file_of[fd], 0, 0, NULL);
    pthread_mutex_unlock(&turn);
    return done;
}
int fsync(int fd) { return synced(fd, real_fsync); }
int fdatasync(int fd) { return synced(fd, real_fdatasync); }

int ftruncate(int fd, off_t length) {
    if (!ours(fd))
        return real_ftruncate(fd, length);
    if (fails(TRUNCATE))
        return -1;
    pthread_mutex_lock(&turn);
    int done = real_ftruncate(fd, length);
    if (!done)
        put(TRUNCATED, file_of[fd], length, 0, NULL);
    pthread_mutex_unlock(&turn);
    return done;
}
int ftruncate64(int fd, off_t length) { return ftruncate(fd, length); }

int unlink(const char *path) {
    if (!is_below(path))
        return real_unlink(path);
    if (fails(UNLINK))
        return -1;
    pthread_mutex_lock(&turn);
    int done = real_unlink(path);
    if (!done)
        put(UNLINKED, number_of(path), 0, 0, NULL);
    pthread_mutex_unlock(&turn);
    return done;
}
