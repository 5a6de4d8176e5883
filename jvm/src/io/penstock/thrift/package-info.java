/** Who may use Spark's Thrift server: users with passwords, of which only salted hashes are kept. */
package io.penstock.thrift;
