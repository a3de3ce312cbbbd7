package errors

// statusPhrase returns the registered phrase of an HTTP error status. It stands here so that a
// program without HTTP does not link net/http for it; a test compares the two.
func statusPhrase(status int) string {
	if phrase, ok := phrases[status]; ok {
		return phrase
	}
	if status >= 500 {
		return "Server Error"
	}
	return "Request Error"
}

// isFailure reports whether an HTTP response with the status reports a failure.
func isFailure(status int) bool { return status >= 400 && status <= 599 }

var phrases = map[int]string{
	200: "OK",
	400: "Bad Request",
	401: "Unauthorized",
	402: "Payment Required",
	403: "Forbidden",
	404: "Not Found",
	405: "Method Not Allowed",
	406: "Not Acceptable",
	407: "Proxy Authentication Required",
	408: "Request Timeout",
	409: "Conflict",
	410: "Gone",
	411: "Length Required",
	412: "Precondition Failed",
	413: "Request Entity Too Large",
	414: "Request URI Too Long",
	415: "Unsupported Media Type",
	416: "Requested Range Not Satisfiable",
	417: "Expectation Failed",
	421: "Misdirected Request",
	422: "Unprocessable Entity",
	423: "Locked",
	424: "Failed Dependency",
	425: "Too Early",
	426: "Upgrade Required",
	428: "Precondition Required",
	429: "Too Many Requests",
	431: "Request Header Fields Too Large",
	451: "Unavailable For Legal Reasons",
	499: "Client Closed Request", // not registered; nginx's, and the one that gRPC maps canceled to
	500: "Internal Server Error",
	501: "Not Implemented",
	502: "Bad Gateway",
	503: "Service Unavailable",
	504: "Gateway Timeout",
	505: "HTTP Version Not Supported",
	507: "Insufficient Storage",
	511: "Network Authentication Required",
}
