/**
 * Commits to S3 that more than one driver may try at once.
 *
 * <p>Delta's and Spark's own ways need a file system on which a file can be created, or renamed, only if its name is
 * free. S3A has no such rename, and looks before it creates: two drivers that look at the same time both go on, and the
 * second replaces the first one's commit. S3 itself decides if the PUT says {@code If-None-Match: *}, so everything
 * here commits by one such PUT.
 */
package io.penstock.s3;
