/** Fast paths of row expressions, with the same results as Spark's own. */
package io.penstock.rows;
