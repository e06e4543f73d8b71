package clients

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
)

const words = "The quick brown fox jumps over the lazy dog."

var usage = object{"input_tokens": 30, "output_tokens": 20}

func TestCheck01ChatReturnsTextUsageAndRequestID(t *testing.T) {
	eachProvider(t, providers, func(t *testing.T, provider string) {
		rule(t, object{"provider": provider}, object{"text": "Hello, world.", "usage": usage}, 0)
		c := newCaller()

		answer, err := c.Chat.Completions.New(bounded(t), hello(provider))
		if err != nil {
			t.Fatal(err)
		}

		equal(t, "text", answer.Choices[0].Message.Content, "Hello, world.")
		equal(t, "finish reason", answer.Choices[0].FinishReason, "stop")
		equal(t, "tokens", []int64{answer.Usage.PromptTokens, answer.Usage.CompletionTokens, answer.Usage.TotalTokens}, []int64{30, 20, 50})
		if gatewayURL != "" {
			var extra struct{ Provider string }
			if err := json.Unmarshal([]byte(answer.JSON.ExtraFields["extra_fields"].Raw()), &extra); err != nil {
				t.Fatal(err)
			}
			equal(t, "extra_fields.provider", extra.Provider, provider)
		}
	})
}

func TestCheck03StreamTextConcatenates(t *testing.T) {
	eachProvider(t, providers, func(t *testing.T, provider string) {
		rule(t, object{"provider": provider}, object{"text": words, "usage": usage}, 0)
		requestID := "go-check-03-" + provider

		all, err := chunks(bounded(t), newCaller(), hello(provider), option.WithHeader("x-request-id", requestID))
		if err != nil {
			t.Fatal(err)
		}

		equal(t, "text", textOf(all), words)
		for _, chunk := range all {
			if len(chunk.Choices) == 0 || chunk.JSON.Usage.Valid() {
				t.Fatalf("usage was not asked for: %s", chunk.RawJSON())
			}
			equal(t, "id", chunk.ID, all[0].ID)
		}
		if gatewayURL != "" {
			row := logRow(t, requestID)
			tokens := row["token_usage"].(object)
			equal(t, "tokens of the log", []any{tokens["prompt_tokens"], tokens["completion_tokens"]}, []any{30.0, 20.0})
			if cost, ok := row["cost"].(float64); !ok || cost <= 0 {
				t.Fatalf("the log has no cost: %v", row["cost"])
			}
		}
	})
}

func TestCheck04IncludeUsageGivesOneFinalUsageChunk(t *testing.T) {
	eachProvider(t, providers, func(t *testing.T, provider string) {
		rule(t, object{"provider": provider}, object{"text": words, "usage": usage}, 0)
		body := hello(provider)
		body.StreamOptions.IncludeUsage = openai.Bool(true)

		all, err := chunks(bounded(t), newCaller(), body)
		if err != nil {
			t.Fatal(err)
		}

		var carrying []int
		for i, chunk := range all {
			if chunk.JSON.Usage.Valid() {
				carrying = append(carrying, i)
			}
		}
		equal(t, "chunks with usage", carrying, []int{len(all) - 1})
		last := all[len(all)-1]
		equal(t, "choices of the last chunk", len(last.Choices), 0)
		equal(t, "output tokens", last.Usage.CompletionTokens, int64(20))
	})
}

func TestCheck05StreamedParallelToolCallsRebuild(t *testing.T) {
	city := openai.FunctionParameters{
		"type":       "object",
		"properties": object{"city": object{"type": "string"}},
		"required":   []string{"city"},
	}
	wanted := []object{
		{"name": "weather", "arguments": object{"city": "Oslo \"øst\""}},
		{"name": "time", "arguments": object{"city": "Bergen"}},
	}
	eachProvider(t, providers, func(t *testing.T, provider string) {
		rule(t, object{"provider": provider}, object{"tool_calls": wanted}, 0)
		body := hello(provider)
		for _, name := range []string{"weather", "time"} {
			function := openai.FunctionDefinitionParam{Name: name, Parameters: city}
			body.Tools = append(body.Tools, openai.ChatCompletionFunctionTool(function))
		}

		all, err := chunks(bounded(t), newCaller(), body)
		if err != nil {
			t.Fatal(err)
		}
		var whole openai.ChatCompletionAccumulator
		for _, chunk := range all {
			if !whole.AddChunk(chunk) {
				t.Fatalf("the SDK's accumulator refuses %s", chunk.RawJSON())
			}
		}

		equal(t, "finish reason", whole.Choices[0].FinishReason, "tool_calls")
		calls := whole.Choices[0].Message.ToolCalls
		equal(t, "number of calls", len(calls), 2)
		if calls[0].ID == "" || calls[0].ID == calls[1].ID {
			t.Fatalf("the calls' ids are %q and %q", calls[0].ID, calls[1].ID)
		}
		for i, call := range calls {
			var arguments object
			if err := json.Unmarshal([]byte(call.Function.Arguments), &arguments); err != nil {
				t.Fatalf("arguments %q: %v", call.Function.Arguments, err)
			}
			equal(t, "call", object{"name": call.Function.Name, "arguments": arguments}, wanted[i])
		}
	})
}

func TestCheck29UnknownFieldsReachTheProvider(t *testing.T) {
	setUp(t)
	header := "x-team"
	if gatewayURL != "" {
		header = "x-bf-eh-x-team"
	}

	_, err := newCaller().Chat.Completions.New(bounded(t), hello("openai"),
		option.WithHeader(header, "blue"),
		option.WithQuery("trace", "7"),
		option.WithJSONSet("vendor_option", object{"deep": []any{1.0, nil}}),
	)
	if err != nil {
		t.Fatal(err)
	}

	got := receivedBy(t, "openai")[0]
	equal(t, "vendor_option", got.Body["vendor_option"], any(object{"deep": []any{1.0, nil}}))
	equal(t, "x-team", got.Headers["x-team"], any("blue"))
}

func TestCheck30TwoHundredStreamsDoNotMix(t *testing.T) {
	answerOf := func(number int) string {
		var text []string
		for word := range 12 {
			text = append(text, fmt.Sprintf("answer-%03d-%d", number, word))
		}
		return strings.Join(text, " ")
	}
	eachProvider(t, providers, func(t *testing.T, provider string) {
		for number := range 200 {
			when := object{"provider": provider, "body_contains": fmt.Sprintf("stream-%03d-question", number)}
			rule(t, when, object{"text": answerOf(number), "delay_between_ms": 3}, 0)
		}
		c, ctx := newCaller(), bounded(t)

		var group sync.WaitGroup
		for number := range 200 {
			group.Go(func() {
				question := fmt.Sprintf("stream-%03d-question", number)
				all, err := chunks(ctx, c, saying(named(provider, chatModels[provider]), question))
				if err != nil || textOf(all) != answerOf(number) {
					t.Errorf("stream %d: %v, %q", number, err, textOf(all))
				}
			})
		}
		group.Wait()
	})
}

func TestCheck34LeavingAStreamCancelsTheUpstream(t *testing.T) {
	eachProvider(t, providers, func(t *testing.T, provider string) {
		rule(t, object{"provider": provider}, object{"text": strings.Repeat(words+" ", 20), "delay_between_ms": 20}, 0)
		requestID := "go-check-34-" + provider
		stream := newCaller().Chat.Completions.NewStreaming(bounded(t), hello(provider), option.WithHeader("x-request-id", requestID))
		for range 4 {
			if !stream.Next() {
				t.Fatalf("the stream ended early: %v", stream.Err())
			}
		}

		left := time.Now()
		stream.Close()
		eventually(t, 3*time.Second, "the mock saw the abort", func() bool { return receivedBy(t, provider)[0].Aborted })

		// The mock notices at one of its next events (every 20 ms) and is asked every 20 ms.
		if took := time.Since(left); took > 160*time.Millisecond {
			t.Fatalf("the upstream was cancelled after %v", took)
		}
		if gatewayURL != "" {
			row := logRow(t, requestID)
			said := strings.ToLower(fmt.Sprint(row["status"], row["error_details"]))
			if !strings.Contains(said, "cancel") {
				t.Fatalf("the log says %q", said)
			}
		}
	})
}
