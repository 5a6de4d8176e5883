/* Loaded into a process and its children (LD_PRELOAD), it notes in the file SYNC_LOG what was synced to the disk and which
   names files were given, in their order: one line each, "sync", "link" or "rename" and the paths, between tabs. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void note(const char *what, const char *path, const char *other) {
    const char *log = getenv("SYNC_LOG");
    char line[9000];
    int length = snprintf(line, sizeof line, "%s\t%s\t%s\n", what, path, other);
    int file = log ? open(log, O_WRONLY | O_APPEND | O_CREAT, 0644) : -1;
    if (file >= 0) {
        if (write(file, line, length) != length) {
            abort();
        }
        close(file);
    }
}

static void note_file(int file) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length > 0) {
        path[length] = 0;
        note("sync", path, "");
    }
}

static int (*real(const char *name))() { return (int (*)())dlsym(RTLD_NEXT, name); }

int fsync(int file) {
    int result = real("fsync")(file);
    note_file(file);
    return result;
}

int fdatasync(int file) {
    int result = real("fdatasync")(file);
    note_file(file);
    return result;
}

int link(const char *path, const char *other) {
    int result = real("link")(path, other);
    if (result == 0) {
        note("link", path, other);
    }
    return result;
}

int linkat(int folder, const char *path, int other_folder, const char *other, int flags) {
    int result = real("linkat")(folder, path, other_folder, other, flags);
    if (result == 0) {
        note("link", path, other);
    }
    return result;
}

int rename(const char *path, const char *other) {
    int result = real("rename")(path, other);
    if (result == 0) {
        note("rename", path, other);
    }
    return result;
}
