package clients

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
)

// refused is the API error of a call that must fail with one of these statuses, in OpenAI's shape.
func refused(t *testing.T, err error, statuses ...int) *openai.Error {
	t.Helper()
	var failure *openai.Error
	if !errors.As(err, &failure) {
		t.Fatalf("got %v, want an API error", err)
	}
	for _, status := range statuses {
		if failure.StatusCode == status {
			if failure.Message == "" || failure.Type == "" {
				t.Fatalf("not OpenAI's error shape: %s", failure.RawJSON())
			}
			return failure
		}
	}
	t.Fatalf("status %d, want %v: %s", failure.StatusCode, statuses, failure.RawJSON())
	return nil
}

func TestCheck15EmbeddingsBase64AndFloatAreTheSameNumbers(t *testing.T) {
	eachProvider(t, []string{"openai", "gemini"}, func(t *testing.T, provider string) {
		c, ctx := newCaller(), bounded(t)
		body := openai.EmbeddingNewParams{
			Model:          named(provider, embeddingModels[provider]),
			Input:          openai.EmbeddingNewParamsInputUnion{OfArrayOfStrings: []string{"the first text", "and a second one"}},
			EncodingFormat: openai.EmbeddingNewParamsEncodingFormatFloat,
		}

		floats, err := c.Embeddings.New(ctx, body)
		if err != nil {
			t.Fatal(err)
		}
		// The SDK does not decode base64; its users read the bytes.
		var packed struct {
			Data []struct {
				Index     int
				Embedding string
			}
		}
		body.EncodingFormat = openai.EmbeddingNewParamsEncodingFormatBase64
		if _, err := c.Embeddings.New(ctx, body, option.WithResponseBodyInto(&packed)); err != nil {
			t.Fatal(err)
		}
		body.Dimensions = openai.Int(8)
		body.EncodingFormat = openai.EmbeddingNewParamsEncodingFormatFloat
		short, err := c.Embeddings.New(ctx, body)
		if err != nil {
			t.Fatal(err)
		}

		equal(t, "number of embeddings", len(packed.Data), 2)
		for i, one := range packed.Data {
			equal(t, "index", one.Index, i)
			raw, err := base64.StdEncoding.DecodeString(one.Embedding)
			if err != nil {
				t.Fatal(err)
			}
			equal(t, "length", len(raw)/4, len(floats.Data[i].Embedding))
			for n, want := range floats.Data[i].Embedding {
				got := math.Float32frombits(binary.LittleEndian.Uint32(raw[4*n:]))
				if math.Abs(float64(got)-want) > 1e-6 {
					t.Fatalf("number %d of embedding %d is %v, and %v as float", n, i, got, want)
				}
			}
		}
		equal(t, "dimensions", len(short.Data[0].Embedding), 8)
	})
}

func TestCheck17ModelsAreListedAndRetrieved(t *testing.T) {
	setUp(t)
	c, ctx, wanted := newCaller(), bounded(t), named("openai", "gpt-4o-mini")

	models := c.Models.ListAutoPaging(ctx)
	found := false
	for models.Next() {
		found = found || models.Current().ID == wanted
	}
	if models.Err() != nil || !found {
		t.Fatalf("%s is not listed: %v", wanted, models.Err())
	}

	one, err := c.Models.Get(ctx, wanted)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "id", one.ID, wanted)
}

func TestCheck18RateLimitWithRetryAfterMsIsRetriedOnce(t *testing.T) {
	eachProvider(t, providers, func(t *testing.T, provider string) {
		reply := object{"status": 429, "headers": object{"retry-after-ms": "60", "retry-after": "1"}}
		rule(t, object{"provider": provider}, reply, 1)
		c := newCaller(option.WithMaxRetries(2))

		if _, err := c.Chat.Completions.New(bounded(t), hello(provider)); err != nil {
			t.Fatal(err)
		}

		var counts []string
		for _, headers := range c.attempts {
			counts = append(counts, headers.Get("x-stainless-retry-count"))
		}
		equal(t, "x-stainless-retry-count", counts, []string{"0", "1"})
	})
}

func TestCheck19ExceededBudgetIsNotRetried(t *testing.T) {
	needsGateway(t)
	eachProvider(t, providers, func(t *testing.T, provider string) {
		key := "vk-go-19-" + provider
		putVirtualKey(t, key, object{"budget": object{"max_limit": 0.1, "reset_duration": "1M"}})
		rule(t, object{"provider": provider}, object{"text": "Hi.", "usage": object{"input_tokens": 1_000_000, "output_tokens": 1}}, 0)
		c, ctx := newCaller(option.WithAPIKey(key), option.WithMaxRetries(2)), bounded(t)
		body := hello(provider)
		body.MaxTokens = openai.Int(5)
		if _, err := c.Chat.Completions.New(ctx, body); err != nil {
			t.Fatal(err)
		}
		c.attempts = nil

		_, err := c.Chat.Completions.New(ctx, body)

		failure := refused(t, err, http.StatusPaymentRequired, http.StatusTooManyRequests)
		equal(t, "code", failure.Code, "budget_exceeded")
		equal(t, "x-should-retry", failure.Response.Header.Get("x-should-retry"), "false")
		equal(t, "attempts", len(c.attempts), 1)
	})
}

func TestCheck20RefusalsHaveTheirStatus(t *testing.T) {
	needsGateway(t)
	eachProvider(t, providers, func(t *testing.T, provider string) {
		configs := []object{{"provider": provider, "weight": 1.0, "allowed_models": []string{"some-other-model"}}}
		putVirtualKey(t, "vk-go-20", object{"provider_configs": configs})
		ctx, anyone := bounded(t), newCaller()
		stranger := newCaller(option.WithAPIKey("sk-bf-00000000-0000-4000-8000-000000000000"))
		blocked := newCaller(option.WithAPIKey("vk-go-20"))

		_, err := stranger.Chat.Completions.New(ctx, hello(provider))
		refused(t, err, http.StatusUnauthorized)

		_, err = blocked.Chat.Completions.New(ctx, hello(provider))
		refused(t, err, http.StatusForbidden)

		_, err = anyone.Chat.Completions.New(ctx, saying("no-provider-serves-this", "Hello."))
		refused(t, err, http.StatusNotFound)

		_, err = anyone.Chat.Completions.New(ctx, hello(provider), option.WithJSONDel("messages"))
		equal(t, "param", refused(t, err, http.StatusBadRequest).Param, "messages")

		equal(t, "calls to the provider", len(receivedBy(t, provider)), 0)
	})
}

func TestCheck22ErrorInTheStreamIsAnError(t *testing.T) {
	eachProvider(t, providers, func(t *testing.T, provider string) {
		rule(t, object{"provider": provider}, object{"text": words, "stream_error_after_events": 4}, 1)

		_, err := chunks(bounded(t), newCaller(), hello(provider))

		if err == nil || !strings.Contains(err.Error(), "error while streaming") {
			t.Fatalf("got %v", err)
		}
	})
}

func TestCheck22CutStreamIsAnErrorWithAMessage(t *testing.T) {
	needsGateway(t)
	eachProvider(t, providers, func(t *testing.T, provider string) {
		rule(t, object{"provider": provider}, object{"text": words, "cut_after_events": 4}, 1)

		_, err := chunks(bounded(t), newCaller(), hello(provider))

		if err == nil || !strings.Contains(err.Error(), "error while streaming") {
			t.Fatalf("the cut reached the client as %v", err)
		}
	})
}

func TestCheck23FailoverBeforeTheFirstByteIsInvisible(t *testing.T) {
	needsGateway(t)
	failures := map[string]object{
		"refused":   {"status": 503},
		"closed":    {"close_before_headers": true},
		"cut-first": {"cut_after_events": 0},
	}
	for failure, reply := range failures {
		t.Run(failure, func(t *testing.T) {
			eachProvider(t, providers, func(t *testing.T, provider string) {
				backup := "anthropic"
				if provider == backup {
					backup = "openai"
				}
				// Every time: a connection that is closed before an answer is tried once more.
				rule(t, object{"provider": provider}, reply, 0)
				rule(t, object{"provider": backup}, object{"text": "From the backup."}, 0)
				var response *http.Response
				fallbacks, err := json.Marshal([]string{named(backup, chatModels[backup])})
				if err != nil {
					t.Fatal(err)
				}
				c := newCaller(option.WithResponseInto(&response), option.WithJSONSet("fallbacks", json.RawMessage(fallbacks)))

				all, err := chunks(bounded(t), c, hello(provider))
				if err != nil {
					t.Fatal(err)
				}

				equal(t, "text", textOf(all), "From the backup.")
				equal(t, "x-tollbridge-provider", response.Header.Get("x-tollbridge-provider"), backup)
				equal(t, "requests of the client", len(c.attempts), 1)
			})
		})
	}
}
