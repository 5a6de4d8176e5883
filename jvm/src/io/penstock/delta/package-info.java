/** Appends to Delta tables, at most once per transaction. */
package io.penstock.delta;
