package supervise

import (
	"os"
	"runtime"
	"strconv"
	"syscall"
)

// attributes let the child end with this process, and keep signals of the terminal from it: what is in flight when the
// gateway drains still has to be kept.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}

// lower makes the calling thread, and what it starts, yield to others.
func lower(nice int) {
	now, err := syscall.Getpriority(syscall.PRIO_PROCESS, 0)
	if err != nil || nice == 0 {
		return
	}
	// The system call gives 20 minus the niceness. Without the lower priority, everything works too.
	_ = syscall.Setpriority(syscall.PRIO_PROCESS, 0, min(20-now+nice, 19))
}

// expendable lets the system end the child first when memory runs out.
func expendable(pid int) {
	// Without it, everything works too.
	_ = os.WriteFile("/proc/"+strconv.Itoa(pid)+"/oom_score_adj", []byte("500"), 0)
}

// ownThread runs f in a goroutine with a thread of its own, which ends with it. It is not the main thread: that one cannot
// end, and its priority is what is shown as that of the process.
func ownThread(f func()) {
	go func() {
		runtime.LockOSThread()
		if syscall.Gettid() != os.Getpid() {
			f()
			return
		}
		elsewhere := make(chan struct{})
		go func() { // it must find another thread: this one is taken until it has
			runtime.LockOSThread()
			close(elsewhere)
			f()
		}()
		<-elsewhere
		runtime.UnlockOSThread()
	}()
}
