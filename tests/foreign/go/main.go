// A client with nothing but Go's standard library: net/http, with its default verification of certificates.
// `client ACTION BODY` signs a call by OSC4-HMAC-SHA256 and prints the status and the body of its answer. It reads
// OSC_ENDPOINT_API, OSC_REGION, OSC_ACCESS_KEY and OSC_SECRET_KEY; Go itself reads SSL_CERT_FILE.
package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
)

const scheme = "OSC4-HMAC-SHA256"

func keyed(key []byte, text string) []byte {
	sum := hmac.New(sha256.New, key)
	sum.Write([]byte(text))
	return sum.Sum(nil)
}

func hashed(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

func sign(request *http.Request, body string) {
	timestamp := time.Now().UTC().Format("20060102T150405Z")
	const signed = "content-type;host;x-osc-date"
	scope := strings.Join([]string{timestamp[:8], os.Getenv("OSC_REGION"), "api", "osc4_request"}, "/")
	canonical := strings.Join([]string{
		request.Method, request.URL.Path, "",
		"content-type:application/json", "host:" + request.URL.Host, "x-osc-date:" + timestamp, "",
		signed, hashed(body),
	}, "\n")
	key := []byte("OSC4" + os.Getenv("OSC_SECRET_KEY"))
	for _, part := range strings.Split(scope, "/") {
		key = keyed(key, part)
	}
	signature := hex.EncodeToString(keyed(key, strings.Join([]string{scheme, timestamp, scope, hashed(canonical)}, "\n")))
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("X-Osc-Date", timestamp)
	request.Header.Set("Authorization", fmt.Sprintf("%s Credential=%s/%s, SignedHeaders=%s, Signature=%s",
		scheme, os.Getenv("OSC_ACCESS_KEY"), scope, signed, signature))
}

func call(action, body string) error {
	request, err := http.NewRequest("POST", os.Getenv("OSC_ENDPOINT_API")+"/"+action, strings.NewReader(body))
	if err != nil {
		return err
	}
	sign(request, body)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	fmt.Println(response.StatusCode)
	_, err = io.Copy(os.Stdout, response.Body)
	return err
}

func main() {
	if err := call(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
