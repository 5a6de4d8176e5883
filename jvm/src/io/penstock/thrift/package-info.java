/** Authentication and read-only access of Spark's Thrift server; only salted password hashes are stored. */
package io.penstock.thrift;
