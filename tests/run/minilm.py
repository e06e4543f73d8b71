"""all-MiniLM-L6-v2 in numpy: the sentence embeddings that the cache is tested with.

Reads a sentence-transformers model folder (`config.json`, `model.safetensors`, `tokenizer.json`) of
the BERT architecture with mean pooling and normalisation. Needs numpy, safetensors and tokenizers.
"""

import json
import pathlib

import numpy
import safetensors.numpy
import tokenizers

MAX_TOKENS = 256  # max_seq_length in the model's sentence_bert_config.json


class Model:
    """A loaded model. `embed` may be called by several threads at once."""

    def __init__(self, folder):
        folder = pathlib.Path(folder)
        config = json.loads((folder / "config.json").read_text())
        self.layers = config["num_hidden_layers"]
        self.heads = config["num_attention_heads"]
        self.epsilon = config["layer_norm_eps"]
        self.dimensions = config["hidden_size"]
        self.weights = safetensors.numpy.load_file(folder / "model.safetensors")
        self.tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.enable_truncation(MAX_TOKENS)
        self.tokenizer.no_padding()

    def embed(self, texts):
        """The unit vectors of `texts` (texts x dimensions, float32) and the number of tokens read."""
        tokens = [encoding.ids for encoding in self.tokenizer.encode_batch(list(texts))]
        vectors = [self._embed_one(numpy.array(ids)) for ids in tokens]
        shape = (len(vectors), self.dimensions)
        return numpy.array(vectors, numpy.float32).reshape(shape), sum(map(len, tokens))

    def _embed_one(self, ids):
        """One text at a time: without padding there is no mask, and the mean is over all tokens."""
        states = (
            self.weights["embeddings.word_embeddings.weight"][ids]
            + self.weights["embeddings.position_embeddings.weight"][: len(ids)]
            + self.weights["embeddings.token_type_embeddings.weight"][0]
        )
        states = self._normalise(states, "embeddings.LayerNorm")
        for layer in range(self.layers):
            states = self._layer(states, f"encoder.layer.{layer}.")
        mean = states.mean(axis=0)
        return mean / numpy.linalg.norm(mean)

    def _layer(self, states, name):
        context = self._attention(states, name + "attention.self.")
        context = self._linear(context, name + "attention.output.dense")
        states = self._normalise(states + context, name + "attention.output.LayerNorm")
        inner = gelu(self._linear(states, name + "intermediate.dense"))
        output = self._linear(inner, name + "output.dense")
        return self._normalise(states + output, name + "output.LayerNorm")

    def _attention(self, states, name):
        length, width = states.shape
        query, key, value = (
            self._linear(states, name + part).reshape(length, self.heads, -1).swapaxes(0, 1)
            for part in ("query", "key", "value")
        )
        scores = query @ key.swapaxes(1, 2) / numpy.sqrt(width // self.heads, dtype=numpy.float32)
        scores = numpy.exp(scores - scores.max(axis=-1, keepdims=True))
        scores /= scores.sum(axis=-1, keepdims=True)
        return (scores @ value).swapaxes(0, 1).reshape(length, width)

    def _linear(self, states, name):
        return states @ self.weights[name + ".weight"].T + self.weights[name + ".bias"]

    def _normalise(self, states, name):
        centred = states - states.mean(axis=-1, keepdims=True)
        deviation = numpy.sqrt((centred**2).mean(axis=-1, keepdims=True) + self.epsilon)
        return centred / deviation * self.weights[name + ".weight"] + self.weights[name + ".bias"]


def gelu(x):
    """The exact GELU; `erf` by Abramowitz and Stegun 7.1.26, whose error is below 1.5e-7."""
    size = numpy.abs(x) / numpy.sqrt(2.0, dtype=numpy.float32)
    t = 1.0 / (1.0 + 0.3275911 * size)
    series = t * (
        0.254829592
        + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429)))
    )
    erf = numpy.sign(x) * (1.0 - series * numpy.exp(-size * size))
    return 0.5 * x * (1.0 + erf)
