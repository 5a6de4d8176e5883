/** A Delta log store for local folders whose cost does not grow with a table's history. */
package io.penstock.local;
