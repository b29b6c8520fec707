// Go's net/http over HTTP/1.1.
//
//	main BASE_URL API_KEY     the conversation that ../test_http1_clients.py describes; "ok" at its end
package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"os"
	"strings"
	"time"
)

func fail(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
	os.Exit(1)
}

func main() {
	base, key := os.Args[1], os.Args[2]
	client := &http.Client{Transport: &http.Transport{ExpectContinueTimeout: 20 * time.Second}}
	fresh := 0

	do := func(method, path string, body io.Reader, fields ...string) (*http.Response, string) {
		request, err := http.NewRequest(method, base+path, body)
		if err != nil {
			fail("%v", err)
		}
		request.Header.Set("X-API-Key", key)
		for i := 0; i+1 < len(fields); i += 2 {
			request.Header.Set(fields[i], fields[i+1])
		}
		trace := &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
			if !info.Reused {
				fresh++
			}
		}}
		response, err := client.Do(request.WithContext(httptrace.WithClientTrace(request.Context(), trace)))
		if err != nil {
			fail("%s %s: %v", method, path, err)
		}
		content, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || response.ProtoMajor != 1 {
			fail("%s %s: %v %s", method, path, err, response.Proto)
		}
		return response, string(content)
	}
	check := func(status int, text string, response *http.Response, content string) {
		if response.StatusCode != status || !strings.Contains(content, text) {
			fail("%s: %s %.200s", response.Request.URL, response.Status, content)
		}
	}
	call := func(status int, text, method, path string, body io.Reader, fields ...string) *http.Response {
		response, content := do(method, path, body, fields...)
		check(status, text, response, content)
		return response
	}
	publication := `{"channel":"c","data":{"from":"go"}}`

	for i := 0; i < 3; i++ {
		call(200, "{}", "GET", "/health", nil)
	}
	call(404, "404 page not found\n", "GET", "/nowhere", nil)
	if r := call(404, "", "HEAD", "/nowhere", nil); r.ContentLength != 19 {
		fail("HEAD: %d", r.ContentLength)
	}
	call(200, `"result"`, "POST", "/api/publish", strings.NewReader(publication))
	// of unknown length: chunked
	call(200, `"result"`, "POST", "/api/publish", io.MultiReader(strings.NewReader(publication)))
	call(200, `"result"`, "POST", "/api/publish", strings.NewReader(publication), "Expect", "100-continue")
	if r := call(200, `"publications"`, "POST", "/api/history", strings.NewReader(`{"channel":"long","limit":-1}`)); !r.Uncompressed {
		fail("the answer was not packed")
	}
	if fresh != 1 {
		fail("%d connections", fresh)
	}
	call(413, "", "POST", "/connection/uni_sse", bytes.NewReader(make([]byte, 1<<20)))

	response, err := client.Get(base + `/connection/uni_sse?cf_connect={"subs":{"c":{}}}`)
	if err != nil {
		fail("%v", err)
	}
	lines := bufio.NewReader(response.Body)
	for line := ""; !strings.Contains(line, `"connect"`); {
		if line, err = lines.ReadString('\n'); err != nil {
			fail("%v", err)
		}
	}
	response.Body.Close()
	fmt.Println("ok")
}
