package asl

// batching are the evaluated fields of ItemBatcher; 0 is no limit.
type batching struct {
	items, bytes int64
	input        *payload // BatchInput, nil when there is none
}

func (b *batching) evaluate(s *scope, from *itemBatcher) *Failure {
	var f *Failure
	if b.items, f = s.count(from.items, 0); f != nil {
		return f
	}
	if b.bytes, f = s.count(from.bytes, 0); f != nil {
		return f
	}
	if b.bytes > MaxPayload {
		return s.act.outOfRange(from.bytes, "%s must be between 0 and %d.", from.bytes.field(), int64(MaxPayload))
	}
	if from.input == nil {
		return nil
	}
	v, f := from.input.fill(s)
	if f == nil {
		b.input = newPayload(v)
	}
	return f
}

// room is how many bytes a child's input may have.
func (b *batching) room() int {
	if b.bytes > 0 {
		return int(b.bytes)
	}
	return MaxPayload
}

// input makes the next child's input: an item, or a batch of them. An input
// that is too large fails the run.
func (d *distributed) input() (*payload, *Failure) {
	if d.a.state.mapping.batcher != nil {
		return d.nextBatch()
	}
	s, f := d.item()
	if f != nil {
		return nil, f
	}
	if len(s.text) > MaxPayload {
		return nil, d.inputTooLarge()
	}
	return &payload{value: s.value, text: s.text}, nil
}

func (d *distributed) inputTooLarge() *Failure {
	d.a.inner = true
	return tooLarge(d.a.state.Name)
}

// nextBatch takes items as long as the batch may have more of them.
func (d *distributed) nextBatch() (*payload, *Failure) {
	text := []byte{'{'}
	value := newObject()
	if in := d.batch.input; in != nil {
		text = append(append(append(text, `"BatchInput":`...), in.json()...), ',')
		value.Set("BatchInput", in.value)
	}
	text = append(text, `"Items":[`...)
	items := []any{}
	for d.more() && (d.batch.items == 0 || int64(len(items)) < d.batch.items) {
		s, f := d.item()
		if f != nil {
			return nil, f
		}
		if len(items) > 0 {
			text = append(text, ',')
		}
		if len(text)+len(s.text)+len("]}") > d.batch.room() {
			if len(items) == 0 {
				return nil, d.inputTooLarge()
			}
			d.ready, text = s, text[:len(text)-1] // it opens the next batch
			break
		}
		text = append(text, s.text...)
		items = append(items, s.value)
	}
	value.Set("Items", items)
	return &payload{value: value, text: string(append(text, ']', '}'))}, nil
}

// item gives the next item after ItemSelector.
func (d *distributed) item() (*selected, *Failure) {
	if s := d.ready; s != nil {
		d.ready = nil
		return s, nil
	}
	i := d.next
	v, f := d.itemValue(i)
	if f != nil {
		return nil, f
	}
	if selector := d.a.state.mapping.selector; selector != nil {
		s := d.a.newScope(d.effective)
		context := copyObject(d.a.contextObject().(object))
		context.Set("Map", contextItem(&mapItem{index: i, key: d.items[i].Key, value: v, source: d.items[i].Source}))
		s.context = context
		if v, f = selector.fill(s); f != nil {
			return nil, f
		}
	}
	d.next++
	return &selected{value: v, text: encode(v)}, nil
}

func (d *distributed) itemValue(i int) (any, *Failure) {
	if d.values != nil {
		return d.values[i], nil
	}
	v, err := decode(d.items[i].Value)
	if err != nil {
		d.a.inner = true
		return nil, failure(ErrItemReaderFailed, "Item "+encode(i)+" is not JSON: "+err.Error())
	}
	return v, nil
}
