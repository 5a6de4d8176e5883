package io.penstock.s3;

import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.net.SocketTimeoutException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.UUID;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.hadoop.fs.FSDataOutputStreamBuilder;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.s3a.AWSServiceIOException;
import org.apache.hadoop.fs.s3a.RemoteFileChangedException;

/**
 * Writes one object if its name is free, and knows its own object again.
 *
 * <p>An answer can get lost after S3 took the object. S3A then sends the PUT again and is told that the name is taken:
 * by itself. That can't be told from a defeat by what S3 says, so every object carries a mark in its metadata that no
 * other writer has, and whoever is refused looks at the mark of the object that is there.
 */
final class ConditionalPut {
    /** Not understood by a file system without If-None-Match, which then refuses to write at all. */
    private static final String IF_NONE_MATCH = "fs.option.create.conditional.overwrite";

    private static final String MARK = "penstock-writer";
    private static final String SET_MARK = "fs.s3a.create.header." + MARK;
    private static final String GET_MARK = "header." + MARK;

    private static final int CONFLICT = 409;
    private static final int ATTEMPTS = 5;
    private static final long PAUSE_MS = 50;

    private final FileSystem fs;
    private final Path path;
    private final byte[] content;
    private final boolean contentIsUnique;
    private final String mark = UUID.randomUUID().toString();

    /**
     * @param contentIsUnique whether no other writer could have written the same bytes. If so, they are proof enough on
     *     a store that keeps no metadata; if not, such a store gives a lost answer as a defeat
     */
    ConditionalPut(FileSystem fs, Path path, byte[] content, boolean contentIsUnique) {
        this.fs = fs;
        this.path = path;
        this.content = content;
        this.contentIsUnique = contentIsUnique;
    }

    /**
     * Write the object.
     *
     * @return false if the name is another's
     * @throws InterruptedIOException if interrupted; the object may be there or come yet
     * @throws IOException if neither the object nor another's is there; it may come yet
     */
    boolean write() throws IOException {
        for (int attempt = 1; ; attempt++) {
            try {
                put();
                return true;
            } catch (RemoteFileChangedException refused) {
                return wasOursThatRefused();
            } catch (IOException failure) {
                if (isInterrupt(failure)) {
                    throw failure;
                }
                // 409 says that another PUT or DELETE of this name was under way, not how it ended.
                if (isConflict(failure) && attempt < ATTEMPTS) {
                    pause(attempt * PAUSE_MS);
                } else {
                    return wasWrittenAllTheSame(failure);
                }
            }
        }
    }

    private void put() throws IOException {
        // overwrite(true), since with false S3A looks whether the file is there and lets no one else decide.
        FSDataOutputStreamBuilder<?, ?> file = fs.createFile(path);
        file.create();
        file.overwrite(true);
        file.must(IF_NONE_MATCH, true);
        file.must(SET_MARK, mark);
        FSDataOutputStream stream = file.build();
        try {
            stream.write(content);
        } catch (IOException | RuntimeException | Error failure) {
            stream.abort();  // close() would publish what is there of the content
            throw failure;
        }
        stream.close();
    }

    /** After 412, the name is taken. */
    private boolean wasOursThatRefused() throws IOException {
        try {
            return isOurs();
        } catch (FileNotFoundException deletedMeanwhile) {
            return false;
        }
    }

    /** After a failure that leaves open what became of the object. */
    private boolean wasWrittenAllTheSame(IOException failure) throws IOException {
        try {
            return isOurs();
        } catch (FileNotFoundException nothing) {
            throw failure;
        } catch (IOException unreadable) {
            failure.addSuppressed(unreadable);
            throw failure;
        }
    }

    private boolean isOurs() throws IOException {
        byte[] found = fs.getXAttr(path, GET_MARK);
        if (found != null && found.length > 0) {
            return Arrays.equals(found, mark.getBytes(StandardCharsets.UTF_8));
        }
        return contentIsUnique && hasOurContent();
    }

    private boolean hasOurContent() throws IOException {
        if (fs.getFileStatus(path).getLen() != content.length) {
            return false;
        }
        byte[] found = new byte[content.length];
        try (FSDataInputStream stream = fs.open(path)) {
            stream.readFully(0, found);
        }
        return Arrays.equals(found, content);
    }

    private static boolean isConflict(IOException failure) {
        return failure instanceof AWSServiceIOException
                && ((AWSServiceIOException) failure).statusCode() == CONFLICT;
    }

    private static boolean isInterrupt(IOException failure) {
        return failure instanceof InterruptedIOException && !(failure instanceof SocketTimeoutException);
    }

    private static void pause(long milliseconds) throws InterruptedIOException {
        try {
            Thread.sleep(milliseconds);
        } catch (InterruptedException interrupt) {
            Thread.currentThread().interrupt();
            throw new InterruptedIOException("interrupted between two attempts to write");
        }
    }
}
