package exchange

// keepBuffer is the largest buffer of a problem that an exchange keeps for its next use.
const keepBuffer = 4 << 10

// Reset makes the exchange as good as new for its next use, and keeps the room that it has allocated. Front engines
// pool exchanges; whoever releases one must be sure that nobody else holds it.
func (x *Exchange) Reset() {
	o, params, holds := x.own, x.Params[:0], x.Holds[:0]
	clear(o.header)
	o.answer, o.body = Answer{}, memory{}
	if cap(o.buffer) > keepBuffer {
		o.buffer = nil
	}
	clear(params[:cap(params)])
	clear(holds[:cap(holds)])
	*x = Exchange{own: o, Params: params, Holds: holds}
}
