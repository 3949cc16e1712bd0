package grpc

import (
	"context"
	"strconv"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/gabion-io/gabion"
)

// MetadataAttempt carries the number of the try, from 1. It is the header X-Gabion-Attempt of HTTP.
const MetadataAttempt = "x-gabion-attempt"

// metadataPushback carries how many milliseconds to wait before another try; a negative number forbids it (gRPC proposal A6).
const metadataPushback = "grpc-retry-pushback-ms"

// maxAttempt bounds what is believed of the number of a try.
const maxAttempt = 1000

// AttemptOf is the number of the try that the metadata of a call say it is; 1 when they say nothing that makes sense.
func AttemptOf(md metadata.MD) int {
	values := md.Get(MetadataAttempt)
	if len(values) != 1 {
		return 1
	}
	n, err := strconv.ParseUint(values[0], 10, 31)
	if err != nil || n < 1 || n > maxAttempt {
		return 1
	}
	return int(n)
}

// numbered says to the next hop which try it is, in place of what a handler may have handed on.
func numbered(ctx context.Context) context.Context {
	md, ok := metadata.FromOutgoingContext(ctx) // a copy
	if !ok {
		md = metadata.MD{}
	}
	md[MetadataAttempt] = []string{strconv.Itoa(gabion.AttemptOf(ctx))}
	return metadata.NewOutgoingContext(ctx, md)
}

// pushback is what a server says about another try.
type pushback struct {
	after time.Duration
	said  bool // it names a time
	never bool // it forbids one
}

// pushbackOf reads the trailer of an answer, and its details when there is nothing in the trailer.
func pushbackOf(trailer metadata.MD, st *status.Status) pushback {
	switch values := trailer[metadataPushback]; len(values) {
	case 0:
	case 1:
		ms, err := strconv.ParseInt(values[0], 10, 32)
		if err != nil || ms < 0 {
			return pushback{never: true}
		}
		return pushback{after: time.Duration(ms) * time.Millisecond, said: true}
	default:
		return pushback{never: true}
	}
	if code := st.Code(); code != codes.Unavailable && code != codes.ResourceExhausted {
		return pushback{}
	}
	for _, detail := range st.Details() {
		if info, ok := detail.(*errdetails.RetryInfo); ok {
			return pushback{after: max(0, info.GetRetryDelay().AsDuration()), said: true}
		}
	}
	return pushback{}
}

// milliseconds writes a pushback, rounded up: who waits that long must not come too early.
func milliseconds(d time.Duration) string {
	return strconv.FormatInt(int64((d+time.Millisecond-1)/time.Millisecond), 10)
}
