// Package bulkhead bounds how many calls run at once, so that one slow dependency cannot take all workers.
package bulkhead
