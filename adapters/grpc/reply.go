package grpc

import (
	"reflect"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// fill puts what stood in for an answer into the caller's message. When value is that message, there is nothing to do.
func fill(reply, value any) error {
	to, from := reflect.ValueOf(reply), reflect.ValueOf(value)
	if to.Kind() != reflect.Pointer || from.Kind() != reflect.Pointer || from.IsNil() || to.Type() != from.Type() {
		return status.Errorf(codes.Internal, "a %T stood in for the answer, but the caller expects a %T", value, reply)
	}
	if to.Pointer() == from.Pointer() {
		return nil
	}
	message, ok := value.(proto.Message)
	if !ok {
		to.Elem().Set(from.Elem())
		return nil
	}
	target := reply.(proto.Message)
	if is, want := message.ProtoReflect().Descriptor(), target.ProtoReflect().Descriptor(); is != want {
		return status.Errorf(codes.Internal, "a %s stood in for the answer, but the caller expects a %s", is.FullName(), want.FullName())
	}
	proto.Reset(target)
	proto.Merge(target, message)
	return nil
}
