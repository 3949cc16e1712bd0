// Package disk watches the room that a directory has, so that what is written there stops before the disk is full.
//
// A database that meets a full disk in the middle of a write may not even be able to close. So there are three states,
// and a file, the ballast, that holds room back for the worst case:
//
//	         free < Low                free < Full: the ballast is released
//	┌────┐ ──────────────▶ ┌─────┐ ──────────────────────────────▶ ┌──────┐
//	│ ok │                 │ low │                                 │ full │
//	└────┘ ◀────────────── └─────┘ ◀────────────────────────────── └──────┘
//	         free > Low + ¼            free > Full + ¼: the ballast is made again
//
// A quota does the same with what the directory holds: it is low when nine tenths of it are used, and full when all is.
// Free room is always counted as if the ballast stood there: releasing it makes nothing look better than it is.
package disk
