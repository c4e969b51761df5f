package contract

import "strings"

// IsMarker says whether what lies below a model's raw prefix, or the prefix of a
// dataset, is no data but a sign between programs, as Spark and Hive readers take
// it: a part of the path begins with "." or "_" (_SUCCESS, _temporary/…, .part.crc;
// but not a partition's folder, _c=1), it is Hadoop's empty "x_$folder$", or an
// empty object whose name ends in "/". size is in bytes.
func IsMarker(name string, size int64) bool {
	if name == "" || size == 0 && (strings.HasSuffix(name, "/") || strings.HasSuffix(name, "_$folder$")) {
		return true
	}
	for part := range strings.SplitSeq(name, "/") {
		if strings.HasPrefix(part, ".") || strings.HasPrefix(part, "_") && !strings.Contains(part, "=") {
			return true
		}
	}
	return false
}
