// Package bench measures the pipeline beside what bounds it: the same rows, written to the same tables as fast as the database takes them. It asks its
// caller for installations and worker processes, and prints ratios within one run: absolute times are not compared across machines.
package bench
