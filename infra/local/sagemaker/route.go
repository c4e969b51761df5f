package sagemaker

// route is what invocations of an endpoint follow. It is replaced whole.
type route struct {
	variants []routed
	shadow   *routed // nil is none; its weight is a share of total
	total    float64 // sum of weights
	capture  *DataCaptureConfig
}

type routed struct {
	name   string
	weight float64
	fleet  *fleet
	meter  *meter
}

func (s *Service) newRoute(endpoint string, d *deployment, fleets map[string]*fleet) *route {
	r := &route{total: d.totalWeight(), capture: d.Capture}
	for _, v := range d.Variants {
		r.variants = append(r.variants, routed{v.Name, float64(v.Weight), fleets[v.Name], s.meters.meter(endpoint, v.Name, d.Metrics.frequency())})
	}
	for _, v := range d.Shadows {
		r.shadow = &routed{v.Name, float64(v.Weight), fleets[v.Name], s.meters.meter(endpoint, v.Name, d.Metrics.frequency())}
	}
	return r
}

// choose draws a variant by weight; u is uniform in [0, 1).
func (r *route) choose(u float64) *routed {
	left := u * r.total
	var last *routed
	for i := range r.variants {
		v := &r.variants[i]
		if v.weight == 0 {
			continue
		}
		last = v
		if left -= v.weight; left < 0 {
			return v
		}
	}
	return last
}

func (r *route) named(name string) *routed {
	for i := range r.variants {
		if r.variants[i].name == name {
			return &r.variants[i]
		}
	}
	return nil
}
