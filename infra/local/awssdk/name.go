package awssdk

import (
	"reflect"
	"unicode"
)

// memberName is what the AWS SDK for Java, and so Step Functions, calls a
// member: the capitals that it begins with are lowered, but for the one that
// begins the next word, and the first is raised again.
func memberName(name string) string {
	letters := []rune(name)
	for i := 1; i < len(letters) && unicode.IsUpper(letters[i]); i++ {
		if i+1 < len(letters) && unicode.IsLower(letters[i+1]) {
			break
		}
		letters[i] = unicode.ToLower(letters[i])
	}
	return string(letters)
}

// memberNames are the names of a struct's members.
func memberNames(t reflect.Type) []string {
	var names []string
	for i := range t.NumField() {
		if f := t.Field(i); isMember(f) {
			names = append(names, memberName(f.Name))
		}
	}
	return names
}

// isMember leaves out what the SDK for Go adds to the API's structs.
func isMember(f reflect.StructField) bool {
	return f.IsExported() && !f.Anonymous && f.Name != "ResultMetadata"
}
