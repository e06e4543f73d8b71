// Package clients asks the gateway through the official OpenAI SDK for Go.
//
// This file holds what the tests share: who is asked, the mock's script, the gateway's
// management API. Without GATEWAY_URL the mock itself is the server under test.
package clients

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
)

var (
	mockURL    = address("MOCK_URL", "http://127.0.0.1:9090")
	gatewayURL = address("GATEWAY_URL", "")
	adminURL   = address("GATEWAY_ADMIN", gatewayURL)

	providers       = []string{"openai", "anthropic", "gemini"}
	chatModels      = map[string]string{"openai": "gpt-4o-mini", "anthropic": "claude-haiku-4-5", "gemini": "gemini-2.5-flash"}
	embeddingModels = map[string]string{"openai": "text-embedding-3-small", "gemini": "gemini-embedding-001"}
	keys            = map[string]string{"openai": "sk-openai-test", "anthropic": "sk-ant-test", "gemini": "gm-test"}
)

func address(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		otherwise = value
	}
	return strings.TrimRight(otherwise, "/")
}

// named is the model's name for the client: with its provider, if a gateway is asked.
func named(provider, model string) string {
	if gatewayURL == "" {
		return model
	}
	return provider + "/" + model
}

type object = map[string]any

// eachProvider runs one test for each provider, on a mock with nothing scripted.
func eachProvider(t *testing.T, names []string, test func(t *testing.T, provider string)) {
	for _, provider := range names {
		t.Run(provider, func(t *testing.T) {
			if gatewayURL == "" && provider != "openai" {
				t.Skip("needs the gateway (GATEWAY_URL)")
			}
			setUp(t)
			test(t, provider)
		})
	}
}

func needsGateway(t *testing.T) {
	t.Helper()
	if gatewayURL == "" {
		t.Skip("needs the gateway (GATEWAY_URL)")
	}
}

var providersConfigured sync.Once

// setUp configures the gateway's providers, once, and empties the mock's script.
func setUp(t *testing.T) {
	t.Helper()
	providersConfigured.Do(func() {
		if gatewayURL == "" {
			return
		}
		for _, provider := range providers {
			base := mockURL + "/" + provider
			if provider == "gemini" {
				base += "/v1beta"
			}
			send(t, "PUT", adminURL+"/api/providers/"+provider, object{
				"keys":                        []object{{"name": provider + "-key", "value": keys[provider], "weight": 1.0}},
				"network_config":              object{"base_url": base, "max_retries": 0},
				"concurrency_and_buffer_size": object{"concurrency": 1000, "buffer_size": 5000},
			})
		}
	})
	for _, what := range []string{"rules", "received", "counts"} {
		send(t, "DELETE", mockURL+"/_mock/"+what, nil)
	}
}

// rule makes the mock answer requests that match `when` with `reply`, at most `times` times if not 0.
func rule(t *testing.T, when, reply object, times int) {
	t.Helper()
	body := object{"when": when, "reply": reply}
	if times > 0 {
		body["times"] = times
	}
	send(t, "POST", mockURL+"/_mock/rules", body)
}

type received struct {
	Provider string         `json:"provider"`
	Path     string         `json:"path"`
	Headers  map[string]any `json:"headers"`
	Body     object         `json:"-"`
	Text     string         `json:"body"`
	Aborted  bool           `json:"aborted"`
}

func receivedBy(t *testing.T, provider string) []received {
	t.Helper()
	raw := send(t, "GET", mockURL+"/_mock/received", nil)
	var all []received
	if err := json.Unmarshal(raw, &all); err != nil {
		t.Fatalf("the mock's list of requests is unreadable: %v", err)
	}
	for i := range all {
		// The mock keeps bodies as they came; requests without one have no JSON.
		_ = json.Unmarshal([]byte(all[i].Text), &all[i].Body)
	}
	return slices.DeleteFunc(all, func(r received) bool { return r.Provider != provider })
}

func putVirtualKey(t *testing.T, id string, body object) {
	t.Helper()
	url := adminURL + "/api/governance/virtual-keys/" + id
	_, _, _ = ask("DELETE", url, nil)
	send(t, "PUT", url, body)
	t.Cleanup(func() { _, _, _ = ask("DELETE", url, nil) })
}

// logRow waits for the finished log row of a request; rows are written behind the answer.
func logRow(t *testing.T, requestID string) object {
	t.Helper()
	var row object
	eventually(t, 10*time.Second, "a log row for "+requestID, func() bool {
		status, raw, err := ask("GET", adminURL+"/api/logs/"+requestID, nil)
		if err != nil || status != http.StatusOK || json.Unmarshal(raw, &row) != nil {
			return false
		}
		if inner, ok := row["log"].(object); ok {
			row = inner
		}
		return row["status"] != "processing"
	})
	return row
}

func eventually(t *testing.T, within time.Duration, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(within); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never came true within %v: %s", within, what)
		}
	}
}

var plain = &http.Client{Timeout: 10 * time.Second}

func ask(method, url string, body object) (int, []byte, error) {
	var reader io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return 0, nil, err
		}
		reader = bytes.NewReader(raw)
	}
	request, err := http.NewRequest(method, url, reader)
	if err != nil {
		return 0, nil, err
	}
	request.Header.Set("content-type", "application/json")
	response, err := plain.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	return response.StatusCode, raw, err
}

func send(t *testing.T, method, url string, body object) []byte {
	t.Helper()
	status, raw, err := ask(method, url, body)
	if err != nil || status >= 300 {
		t.Fatalf("%s %s: %v, status %d: %s", method, url, err, status, raw)
	}
	return raw
}

// caller is one SDK client and the headers of the HTTP requests it has sent, its own retries among them.
type caller struct {
	openai.Client
	mutex    sync.Mutex
	attempts []http.Header
}

func newCaller(options ...option.RequestOption) *caller {
	c := &caller{}
	base := gatewayURL + "/v1/"
	if gatewayURL == "" {
		base = mockURL + "/openai/v1/"
	}
	remember := func(request *http.Request, next option.MiddlewareNext) (*http.Response, error) {
		c.mutex.Lock()
		c.attempts = append(c.attempts, request.Header.Clone())
		c.mutex.Unlock()
		return next(request)
	}
	defaults := []option.RequestOption{
		option.WithBaseURL(base), option.WithAPIKey("sk-no-virtual-key"), option.WithMaxRetries(0),
		option.WithMiddleware(remember),
	}
	c.Client = openai.NewClient(append(defaults, options...)...)
	return c
}

func hello(provider string) openai.ChatCompletionNewParams {
	return saying(named(provider, chatModels[provider]), "Say hello.")
}

func saying(model, content string) openai.ChatCompletionNewParams {
	return openai.ChatCompletionNewParams{
		Model:    model,
		Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage(content)},
	}
}

func bounded(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// chunks reads a stream to its end.
func chunks(ctx context.Context, c *caller, body openai.ChatCompletionNewParams, options ...option.RequestOption) ([]openai.ChatCompletionChunk, error) {
	stream := c.Chat.Completions.NewStreaming(ctx, body, options...)
	defer stream.Close()
	var all []openai.ChatCompletionChunk
	for stream.Next() {
		all = append(all, stream.Current())
	}
	return all, stream.Err()
}

func textOf(all []openai.ChatCompletionChunk) string {
	var text strings.Builder
	for _, chunk := range all {
		if len(chunk.Choices) > 0 {
			text.WriteString(chunk.Choices[0].Delta.Content)
		}
	}
	return text.String()
}

func equal[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if fmt.Sprintf("%#v", got) != fmt.Sprintf("%#v", want) {
		t.Fatalf("%s: got %#v, want %#v", what, got, want)
	}
}
