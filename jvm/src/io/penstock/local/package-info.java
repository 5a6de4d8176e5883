/** What Delta does on a local folder, made to cost the same however long a table's history is. */
package io.penstock.local;
