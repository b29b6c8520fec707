// Go's own net/http over HTTP/2: GET, HEAD, POST with a body that is too large, and many event streams
// on one connection.
//
//	main CA.pem BASE_URL STREAMS      prints "ready" when all streams are connected, takes a line
//	                                  "TEXT COUNT" from stdin, prints "done"
//	                                  when every stream had TEXT so often
package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
)

func fail(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
	os.Exit(1)
}

func main() {
	pem, err := os.ReadFile(os.Args[1])
	if err != nil {
		fail("%v", err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	base := os.Args[2]
	streams, _ := strconv.Atoi(os.Args[3])
	client := &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true}}

	check := func(method, path string, body []byte, status int) {
		request, _ := http.NewRequest(method, base+path, bytes.NewReader(body))
		response, err := client.Do(request)
		if err != nil {
			fail("%s %s: %v", method, path, err)
		}
		content, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || response.StatusCode != status || response.ProtoMajor != 2 {
			fail("%s %s: %v %s %s %.200s", method, path, err, response.Proto, response.Status, content)
		}
		if method == "HEAD" && (len(content) != 0 || response.ContentLength != 19) {
			fail("HEAD: %d bytes, %d said", len(content), response.ContentLength)
		}
	}
	check("GET", "/nowhere", nil, 404)
	check("HEAD", "/nowhere", nil, 404)
	check("POST", "/connection/uni_sse", bytes.Repeat([]byte(" "), 1<<20), 413)

	var wait sync.WaitGroup
	lines := make([]*bufio.Reader, streams)
	for i := range lines {
		wait.Add(1)
		go func() {
			defer wait.Done()
			response, err := client.Get(base + `/connection/uni_sse?cf_connect={"subs":{"c":{}}}`)
			if err != nil || response.StatusCode != 200 {
				fail("stream %d: %v", i, err)
			}
			lines[i] = bufio.NewReader(response.Body)
			if _, err := lines[i].ReadString('\n'); err != nil {
				fail("stream %d: %v", i, err)
			}
		}()
	}
	wait.Wait()
	fmt.Println("ready")
	line, _ := bufio.NewReader(os.Stdin).ReadString('\n')
	words := strings.Fields(line)
	count, _ := strconv.Atoi(words[1])
	for i := range lines {
		wait.Add(1)
		go func() {
			defer wait.Done()
			for seen := 0; seen < count; {
				line, err := lines[i].ReadString('\n')
				if err != nil {
					fail("stream %d after %d: %v", i, seen, err)
				}
				if strings.Contains(line, words[0]) {
					seen++
				}
			}
		}()
	}
	wait.Wait()
	fmt.Println("done")
}
