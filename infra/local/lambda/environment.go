package lambda

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
)

// environment is the whole environment of a sandbox: what Lambda sets, the
// endpoint of the local stack, and the function's own variables.
// https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
func environment(o *Options, c *config, stream, runtimeAPI string) []string {
	set := map[string]string{
		"AWS_ACCESS_KEY_ID":               o.AccessKeyID,
		"AWS_SECRET_ACCESS_KEY":           o.SecretKey,
		"AWS_DEFAULT_REGION":              o.Region,
		"AWS_REGION":                      o.Region,
		"AWS_ENDPOINT_URL":                o.Endpoint,
		"AWS_SESSION_TOKEN":               o.SessionToken,
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": strconv.Itoa(c.memoryMB),
		"AWS_LAMBDA_FUNCTION_NAME":        c.name,
		"AWS_LAMBDA_FUNCTION_VERSION":     "$LATEST",
		"AWS_LAMBDA_INITIALIZATION_TYPE":  "on-demand",
		"AWS_LAMBDA_LOG_GROUP_NAME":       c.logging.LogGroup,
		"AWS_LAMBDA_LOG_STREAM_NAME":      stream,
		"AWS_LAMBDA_RUNTIME_API":          runtimeAPI,
		"LAMBDA_RUNTIME_DIR":              "/var/runtime",
		"LAMBDA_TASK_ROOT":                c.dir,
		"_HANDLER":                        c.handler,
		"LANG":                            "en_US.UTF-8",
		"PATH":                            "/usr/local/bin:/usr/bin/:/bin:/opt/bin",
		"LD_LIBRARY_PATH":                 "/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:" + c.dir + ":" + c.dir + "/lib:/opt/lib",
		"TZ":                              ":UTC",
	}
	if c.logging.LogFormat == "JSON" {
		set["AWS_LAMBDA_LOG_FORMAT"] = "JSON"
		set["AWS_LAMBDA_LOG_LEVEL"] = cmp.Or(c.logging.ApplicationLogLevel, "INFO")
	}
	for _, optional := range []string{"AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} {
		if set[optional] == "" {
			delete(set, optional)
		}
	}
	if c.inside && o.Endpoint != "" {
		// A function in a network reaches that network's load balancers by name. They
		// have none that resolves here, and perhaps another port, because other stacks
		// run beside this one; the stack's own address answers to their names.
		set["HTTP_PROXY"] = o.Endpoint
	}
	maps.Copy(set, c.variables)
	list := make([]string, 0, len(set))
	for _, name := range slices.Sorted(maps.Keys(set)) {
		list = append(list, name+"="+set[name])
	}
	return list
}
