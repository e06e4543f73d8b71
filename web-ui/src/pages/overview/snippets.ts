// What a newcomer copies. The address is the one that the browser reached the gateway under.

const MODELS: Record<string, string> = {
  openai: "gpt-4o-mini",
  anthropic: "claude-3-5-haiku-20241022",
  gemini: "gemini-2.0-flash",
};

const modelOf = (provider = "openai") => `${provider}/${MODELS[provider] ?? "<model>"}`;

export function addProvider(origin: string): string {
  return `curl ${origin}/api/providers \\
  -H 'content-type: application/json' \\
  -d '{
    "provider": "openai",
    "keys": [{"name": "openai-1", "value": "sk-...", "weight": 1}]
  }'`;
}

export function sendWithCurl(origin: string, provider?: string): string {
  return `curl ${origin}/v1/chat/completions \\
  -H 'content-type: application/json' \\
  -d '{
    "model": "${modelOf(provider)}",
    "messages": [{"role": "user", "content": "Hello!"}]
  }'`;
}

export function sendWithPython(origin: string, provider?: string): string {
  return `from openai import OpenAI

client = OpenAI(base_url="${origin}/v1", api_key="unused")
answer = client.chat.completions.create(
    model="${modelOf(provider)}",
    messages=[{"role": "user", "content": "Hello!"}],
)
print(answer.choices[0].message.content)`;
}
