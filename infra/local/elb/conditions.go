package elb

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

// The fields of conditions.
const (
	fieldPath   = "path-pattern"
	fieldHost   = "host-header"
	fieldHeader = "http-header"
	fieldMethod = "http-request-method"
	fieldQuery  = "query-string"
	fieldSource = "source-ip"
)

// AWS's limits on a rule's conditions.
const (
	maxValues    = 5 // of all conditions together
	maxWildcards = 6
	maxValue     = 128
)

var once = []string{fieldPath, fieldHost, fieldMethod, fieldSource} // at most one of each in a rule

// checkConditions gives the conditions as they are kept and read back, or says
// what AWS or the local stack would not take.
func checkConditions(conditions []Condition) ([]Condition, error) {
	if len(conditions) == 0 {
		return nil, invalid("You must specify a condition")
	}
	out := slices.Clone(conditions)
	values, wildcards := 0, 0
	seen := map[string]bool{}
	for i := range out {
		c := &out[i]
		if seen[c.Field] && slices.Contains(once, c.Field) {
			return nil, invalid("A rule can only have one '%s' condition", c.Field)
		}
		seen[c.Field] = true
		all, err := c.complete()
		if err != nil {
			return nil, err
		}
		values += len(all)
		for _, v := range all {
			if len(v) == 0 || len(v) > maxValue {
				return nil, invalid("Condition value '%s' of '%s' must have 1 to %d characters", v, c.Field, maxValue)
			}
			if c.Field != fieldMethod && c.Field != fieldSource {
				wildcards += strings.Count(v, "*") + strings.Count(v, "?")
			}
		}
	}
	if values > maxValues {
		return nil, invalid("A rule can only have '%d' condition values", maxValues)
	}
	if wildcards > maxWildcards {
		return nil, invalid("A rule can only have '%d' condition wildcards", maxWildcards)
	}
	return out, nil
}

// complete checks one condition, brings it into the form that is read back, and
// gives its values.
func (c *Condition) complete() ([]string, error) {
	configs := map[string]bool{fieldPath: c.PathPatternConfig != nil, fieldHost: c.HostHeaderConfig != nil, fieldHeader: c.HttpHeaderConfig != nil,
		fieldMethod: c.HttpRequestMethodConfig != nil, fieldQuery: c.QueryStringConfig != nil, fieldSource: c.SourceIpConfig != nil}
	if _, known := configs[c.Field]; !known {
		return nil, invalid("Condition field '%s' must be one of '[%s]'", c.Field, strings.Join(sorted(configs), ", "))
	}
	for field, given := range configs {
		if given && field != c.Field {
			return nil, invalid("A condition with the field '%s' cannot have the configuration of '%s'", c.Field, field)
		}
	}
	switch c.Field {
	case fieldPath:
		return c.either(&c.PathPatternConfig, checkPath)
	case fieldHost:
		return c.either(&c.HostHeaderConfig, checkHost)
	}
	if len(c.Values) > 0 || !configs[c.Field] {
		return nil, invalid("A condition with the field '%s' needs the configuration of its field, and no values of its own", c.Field)
	}
	switch c.Field {
	case fieldMethod:
		return c.HttpRequestMethodConfig.check(checkMethod)
	case fieldSource:
		return c.SourceIpConfig.check(checkNetwork)
	case fieldHeader:
		return c.HttpHeaderConfig.check()
	}
	return c.QueryStringConfig.check()
}

// either reads the values from the condition or from its configuration, and
// keeps them in both.
func (c *Condition) either(config **Values, check func(string) error) ([]string, error) {
	if *config == nil {
		*config = &Values{c.Values}
	} else if len(c.Values) > 0 && !slices.Equal(c.Values, (*config).Values) {
		return nil, invalid("You cannot specify both values and a configuration for a '%s' condition", c.Field)
	}
	c.Values = (*config).Values
	return (*config).check(check)
}

func (v *Values) check(one func(string) error) ([]string, error) {
	if len(v.Values) == 0 {
		return nil, invalid("A condition must have at least one value")
	}
	for _, value := range v.Values {
		if err := one(value); err != nil {
			return nil, err
		}
	}
	return v.Values, nil
}

var (
	pathText   = regexp.MustCompile(`^[A-Za-z0-9_.$/~"'@:+&*?-]*$`)
	hostText   = regexp.MustCompile(`^[A-Za-z0-9.*?-]*$`)
	methodText = regexp.MustCompile(`^[A-Z_-]{1,40}$`)
	headerText = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,40}$")
)

func checkPath(v string) error {
	if !pathText.MatchString(v) {
		return invalid("The path pattern '%s' has a character that is not a letter, a digit, a wildcard or one of _-.$/~\"'@:+&", v)
	}
	return nil
}

func checkHost(v string) error {
	if !hostText.MatchString(v) || !strings.Contains(v, ".") {
		return invalid("The host name '%s' must have a '.' and only letters, digits, wildcards, '-' and '.'", v)
	}
	return nil
}

func checkMethod(v string) error {
	if !methodText.MatchString(v) {
		return invalid("The HTTP request method '%s' must have 1 to 40 of the characters A-Z, '-' and '_'", v)
	}
	return nil
}

func checkNetwork(v string) error {
	if _, err := netip.ParsePrefix(v); err != nil {
		return invalid("The value '%s' must be in CIDR format", v)
	}
	return nil
}

func (m *HeaderMatch) check() ([]string, error) {
	if !headerText.MatchString(m.HttpHeaderName) {
		return nil, invalid("The HTTP header name '%s' must have 1 to 40 characters that RFC 7230 allows", m.HttpHeaderName)
	}
	if strings.EqualFold(m.HttpHeaderName, "host") {
		return nil, invalid("You cannot use an http-header condition for the host: use host-header")
	}
	return (&Values{m.Values}).check(func(string) error { return nil })
}

func (m *QueryMatch) check() ([]string, error) {
	var out []string
	for _, pair := range m.Values {
		out = append(out, pair.Value)
		if pair.Key != nil && (*pair.Key == "" || len(*pair.Key) > maxValue) {
			return nil, invalid("Query string key '%s' must have 1 to %d characters", *pair.Key, maxValue)
		}
	}
	return (&Values{out}).check(func(string) error { return nil })
}
