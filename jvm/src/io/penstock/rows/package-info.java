/** Short ways through what Spark's own expressions do for each row, with the same results. */
package io.penstock.rows;
