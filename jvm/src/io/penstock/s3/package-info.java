/**
 * Commits to S3 that are safe with concurrent drivers.
 *
 * <p>Delta and Spark need a file system with an atomic create or rename that fails if the target exists. S3A has no
 * such rename, and checks before it creates: if two drivers check at the same time, the second one's write replaces the
 * first one's commit. With {@code If-None-Match: *} S3 itself decides, so every commit here is one such PUT.
 */
package io.penstock.s3;
