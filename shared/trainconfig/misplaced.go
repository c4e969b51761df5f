package trainconfig

import (
	"reflect"
	"slices"
	"strings"
)

// misplaced says where a key belongs that is known at other places than the one
// where it stands, e.g. model.params.device; of any other it suggests what is known
// there.
func misplaced(key, at string, known []string) string {
	// A slip of one letter is likelier than a wrong block.
	if near := Nearest(key, known); near != "" && distance(key, near) <= 1 {
		return suggest(key, known)
	}
	var places []string
	if slices.Contains(Params(), key) {
		places = append(places, "model.params."+key)
	}
	places = append(places, placesOf(reflect.TypeFor[Config](), key, "", 0)...)
	places = slices.DeleteFunc(places, func(place string) bool { return place == at+"."+key })
	if len(places) == 0 || len(places) > 3 {
		return suggest(key, known)
	}
	return "it belongs elsewhere: " + strings.Join(places, " or ")
}

// placesOf are the paths of the fields of a name in a block and in those below it.
func placesOf(block reflect.Type, key, path string, depth int) []string {
	if block.Kind() != reflect.Struct || depth > 4 {
		return nil
	}
	var out []string
	for i := range block.NumField() {
		name := block.Field(i).Tag.Get("yaml")
		if name == "" {
			continue
		}
		if name == key {
			out = append(out, path+name)
		}
		out = append(out, placesOf(block.Field(i).Type, key, path+name+".", depth+1)...)
	}
	return out
}
