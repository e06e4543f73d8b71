//! The model catalogue: which provider serves which model, at what price, of what size.
//!
//! Facts come from `catalog/models.json` (one model a line, US dollars per million tokens), the
//! reviewed size classes from `catalog/tiers.json`. Both are compiled in.

use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, LazyLock, OnceLock};

/// Every known model.
#[derive(Debug)]
pub struct Catalog {
    /// The day on which the facts were collected, `YYYY-MM-DD`.
    pub date: Arc<str>,
    providers: BTreeMap<Arc<str>, Models>,
    tiers: BTreeMap<Arc<str>, VendorTiers>,
}

type Models = BTreeMap<Arc<str>, Arc<ModelFacts>>;

/// What is known about one model of one provider.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelFacts {
    /// The provider that serves it.
    pub provider: Arc<str>,
    /// Its name there.
    pub name: Arc<str>,
    /// What it is for.
    pub mode: Mode,
    /// Tokens that fit in at most.
    pub max_input_tokens: Option<u64>,
    /// Tokens that come out at most.
    pub max_output_tokens: Option<u64>,
    /// What it costs; `None` when that is not known (which is not the same as free).
    pub prices: Option<Prices>,
    /// Whether the provider no longer serves it.
    pub retired: bool,
    capabilities: u16,
}

/// Prices of one token in femto-dollars (1e-15 US dollars), so that sums stay whole numbers.
///
/// A dollar per million tokens is 1e9 of them; every price in use has far fewer than the 15
/// significant digits up to which reading the decimal text as `f64` and rounding is exact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prices {
    /// Of input that was neither read from nor written to a cache.
    pub input: u64,
    /// Of output.
    pub output: u64,
    /// Of input read from the prompt cache; that of `input` when absent.
    pub cached_read: Option<u64>,
    /// Of input written to the prompt cache; that of `input` when absent.
    pub cached_write: Option<u64>,
    /// Of input written to the prompt cache for an hour; that of `cached_write` when absent.
    pub cached_write_1h: Option<u64>,
    /// Of input that is sound; that of `input` when absent.
    pub input_audio: Option<u64>,
    /// Of output that is sound; that of `output` when absent.
    pub output_audio: Option<u64>,
    /// Of output that is thinking; that of `output` when absent.
    pub reasoning: Option<u64>,
    /// Prices of long requests, by rising threshold.
    pub tiers: Box<[PriceTier]>,
}

/// The prices of every token of a request whose input is longer than a threshold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceTier {
    /// The tier holds for more input tokens than this: 128,000, 200,000 or 272,000.
    pub above: u64,
    /// Of input.
    pub input: u64,
    /// Of output.
    pub output: u64,
    /// Of input read from the prompt cache; the untiered one when absent.
    pub cached_read: Option<u64>,
    /// Of input written to the prompt cache; the untiered one when absent.
    pub cached_write: Option<u64>,
}

impl Prices {
    /// The tier for a request with so many input tokens; `None` is the untiered prices.
    pub fn tier(&self, input_tokens: u64) -> Option<&PriceTier> {
        self.tiers.iter().rev().find(|tier| input_tokens > tier.above)
    }
}

/// What a model is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Chat completions.
    Chat,
    /// OpenAI's Responses API only.
    Responses,
    /// Text completions.
    Completion,
    /// Embeddings.
    Embedding,
    /// Anything else: images, sound, reranking.
    #[serde(other)]
    Other,
}

/// What a model can do, as far as the catalogue tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Capability {
    /// Calls tools.
    Tools,
    /// Sees images.
    Vision,
    /// Answers by a JSON schema.
    JsonSchema,
    /// Thinks before it answers.
    Reasoning,
    /// Keeps prompts in a cache.
    PromptCaching,
    /// Reads PDF files.
    Pdf,
    /// Searches the web.
    WebSearch,
    /// Hears.
    AudioIn,
    /// Speaks.
    AudioOut,
}

/// The size class of a model, the same for every vendor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tier {
    /// Fast and cheap.
    Small,
    /// The everyday model.
    Standard,
    /// The strongest.
    Large,
    /// Made to think long.
    Reasoning,
}

impl Tier {
    /// Every tier.
    pub const ALL: [Tier; 4] = [Tier::Small, Tier::Standard, Tier::Large, Tier::Reasoning];
}

impl ModelFacts {
    /// Whether the model can do it.
    pub fn can(&self, capability: Capability) -> bool {
        self.capabilities & 1 << capability as u16 != 0
    }
}

impl Catalog {
    /// The catalogue that is compiled in. Read once per process.
    pub fn builtin() -> Arc<Catalog> {
        static BUILTIN: OnceLock<Arc<Catalog>> = OnceLock::new();
        BUILTIN
            .get_or_init(|| {
                let parsed = Catalog::parse(
                    include_str!("catalog/models.json"),
                    include_str!("catalog/tiers.json"),
                );
                Arc::new(parsed.unwrap_or_else(|error| {
                    // Unreachable: a test reads the same bytes.
                    tracing::error!(%error, "the built-in model catalogue cannot be read");
                    Catalog::empty()
                }))
            })
            .clone()
    }

    /// A catalogue of no models.
    pub fn empty() -> Catalog {
        Catalog { date: "".into(), providers: BTreeMap::new(), tiers: BTreeMap::new() }
    }

    /// Reads a catalogue from its two files.
    pub fn parse(models: &str, tiers: &str) -> Result<Catalog, serde_json::Error> {
        let file: ModelsFile = serde_json::from_str(models)?;
        let tiers = serde_json::from_str(tiers)?;
        let providers = file.providers.into_iter().map(|(provider, models)| {
            let provider: Arc<str> = provider.into();
            let models = models.into_iter().map(|(name, entry)| {
                let name: Arc<str> = name.into();
                (name.clone(), Arc::new(entry.into_facts(provider.clone(), name)))
            });
            let models = models.collect();
            (provider, models)
        });
        Ok(Catalog { date: file.date.into(), providers: providers.collect(), tiers })
    }

    /// What the vendor itself offers of a model that somebody else resells as `vendor/model`. Of
    /// `vendor/model:free` only that it costs nothing.
    pub fn resold(&self, model: &str) -> Option<&Arc<ModelFacts>> {
        let (vendor, model) = model.split_once('/')?;
        if model.ends_with(":free") {
            return Some(&FREE);
        }
        let vendor = match vendor {
            "x-ai" => "xai",
            "mistralai" => "mistral",
            "moonshotai" => "moonshot",
            "z-ai" => "zai",
            vendor => vendor,
        };
        // `:nitro`, `:online` and the like say how it is served, not what it is.
        let model = model.split_once(':').map_or(model, |(model, _)| model);
        // Anthropic writes 4-5 where resellers write 4.5.
        self.model(vendor, model).or_else(|| self.model(vendor, &model.replace('.', "-")))
    }

    /// What is known about a model; dated and `-latest` names and names with a vendor before a `/`
    /// find their base. `None` is unknown, as every model of a self-hosted provider is.
    pub fn model(&self, provider: &str, model: &str) -> Option<&Arc<ModelFacts>> {
        let find = |provider| self.providers.get(provider).and_then(|all| find(all, model));
        let provider = crate::provider::catalog::canonical_name(provider);
        find(provider).or_else(|| match provider {
            "gemini" => find("vertex"),
            "vertex" => find("gemini"),
            _ => None,
        })
    }

    /// Whether the provider serves the model: known there and not retired.
    pub fn serves(&self, provider: &str, model: &str) -> bool {
        self.model(provider, model).is_some_and(|facts| !facts.retired)
    }

    /// Every provider that knows the model, retired or not, in the order of their names.
    pub fn providers_of<'a>(&'a self, model: &'a str) -> impl Iterator<Item = &'a str> {
        self.providers.keys().map(|name| &**name).filter(move |name| {
            self.providers.get(*name).and_then(|models| find(models, model)).is_some()
        })
    }

    /// The models of a provider in the order of their names.
    pub fn models_of(&self, provider: &str) -> impl Iterator<Item = &ModelFacts> {
        let provider = crate::provider::catalog::canonical_name(provider);
        self.providers
            .get(provider)
            .into_iter()
            .flat_map(|models| models.values().map(|facts| &**facts))
    }

    /// The size class of a model, where one was reviewed.
    pub fn tier(&self, provider: &str, model: &str) -> Option<Tier> {
        let provider = crate::provider::catalog::canonical_name(provider);
        let vendor = self.tiers.get(provider)?;
        if let Some(tier) = vendor.tier(model) {
            return Some(tier);
        }
        let model = model.rsplit_once('/').map_or(model, |(_, name)| name);
        vendor.tier(model).or_else(|| vendor.tier(undated(model)?))
    }

    /// The model of `provider` that stands for a size class.
    pub fn equivalent(&self, provider: &str, tier: Tier) -> Option<&str> {
        let provider = crate::provider::catalog::canonical_name(provider);
        let defaults = &self.tiers.get(provider)?.default;
        Some(match tier {
            Tier::Small => &defaults.small,
            Tier::Standard => &defaults.standard,
            Tier::Large => &defaults.large,
            Tier::Reasoning => &defaults.reasoning,
        })
    }
}

/// A model that is given away, whichever it is.
static FREE: LazyLock<Arc<ModelFacts>> = LazyLock::new(|| {
    Arc::new(ModelFacts {
        provider: "".into(),
        name: "".into(),
        mode: Mode::Chat,
        max_input_tokens: None,
        max_output_tokens: None,
        prices: Some(Prices {
            input: 0,
            output: 0,
            cached_read: None,
            cached_write: None,
            cached_write_1h: None,
            input_audio: None,
            output_audio: None,
            reasoning: None,
            tiers: Box::default(),
        }),
        retired: false,
        capabilities: 0,
    })
});

/// The entry that `model` means: itself, without the vendor before its `/`, without its date or
/// `-latest`; and for a base name that is only known with dates, the newest of them.
fn find<'a>(models: &'a Models, model: &str) -> Option<&'a Arc<ModelFacts>> {
    if let Some(facts) = models.get(model) {
        return Some(facts);
    }
    let short = model.rsplit_once('/').map_or(model, |(_, name)| name);
    let base = undated(short);
    let found = models.get(short).or_else(|| models.get(base?));
    found.or_else(|| newest(models, base.filter(|_| short.ends_with("-latest")).unwrap_or(short)))
}

fn newest<'a>(models: &'a Models, base: &str) -> Option<&'a Arc<ModelFacts>> {
    models
        .range::<str, _>((Bound::Excluded(base), Bound::Unbounded))
        .take_while(|(name, _)| name.starts_with(base))
        .filter(|(name, _)| undated(name) == Some(base))
        .map(|(_, facts)| facts)
        .last()
}

/// The name before `-latest`, `-2024-07-18`, `-20240718`, `@20240718` or `-001`.
fn undated(name: &str) -> Option<&str> {
    let base = name.strip_suffix("-latest").or_else(|| name.strip_suffix("@latest"));
    if base.is_some() {
        return base;
    }
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (base, last) = name.rsplit_once(['-', '@'])?;
    if !digits(last) {
        return None;
    }
    match last.len() {
        8 | 3 => Some(base),
        2 => {
            let (base, month) = base.rsplit_once('-')?;
            let (base, year) = base.rsplit_once('-')?;
            let date = digits(month) && month.len() == 2 && digits(year) && year.len() == 4;
            date.then_some(base)
        }
        _ => None,
    }
}

#[derive(Debug, Deserialize)]
struct VendorTiers {
    default: TierDefaults,
    #[serde(default)]
    small: Vec<String>,
    #[serde(default)]
    standard: Vec<String>,
    #[serde(default)]
    large: Vec<String>,
    #[serde(default)]
    reasoning: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct TierDefaults {
    small: String,
    standard: String,
    large: String,
    reasoning: String,
}

impl VendorTiers {
    fn tier(&self, model: &str) -> Option<Tier> {
        let lists = [&self.small, &self.standard, &self.large, &self.reasoning];
        let at = lists.iter().position(|list| list.iter().any(|name| name == model))?;
        Tier::ALL.get(at).copied()
    }
}

#[derive(Deserialize)]
struct ModelsFile {
    date: String,
    providers: BTreeMap<String, BTreeMap<String, ModelEntry>>,
}

#[derive(Deserialize)]
struct ModelEntry {
    mode: Mode,
    max_input: Option<u64>,
    max_output: Option<u64>,
    #[serde(default, deserialize_with = "price")]
    input: Option<u64>,
    #[serde(default, deserialize_with = "price")]
    output: Option<u64>,
    #[serde(default, deserialize_with = "price")]
    cached_read: Option<u64>,
    #[serde(default, deserialize_with = "price")]
    cached_write: Option<u64>,
    #[serde(default, deserialize_with = "price")]
    cached_write_1h: Option<u64>,
    #[serde(default, deserialize_with = "price")]
    input_audio: Option<u64>,
    #[serde(default, deserialize_with = "price")]
    output_audio: Option<u64>,
    #[serde(default, deserialize_with = "price")]
    reasoning: Option<u64>,
    #[serde(default)]
    tiers: Vec<TierEntry>,
    #[serde(default)]
    capabilities: Vec<Capability>,
    #[serde(default)]
    retired: bool,
}

#[derive(Deserialize)]
struct TierEntry {
    above: u64,
    #[serde(default, deserialize_with = "price")]
    input: Option<u64>,
    #[serde(default, deserialize_with = "price")]
    output: Option<u64>,
    #[serde(default, deserialize_with = "price")]
    cached_read: Option<u64>,
    #[serde(default, deserialize_with = "price")]
    cached_write: Option<u64>,
}

impl ModelEntry {
    fn into_facts(self, provider: Arc<str>, name: Arc<str>) -> ModelFacts {
        let prices = self.prices();
        let capabilities = self.capabilities.iter().fold(0, |bits, name| bits | 1 << *name as u16);
        ModelFacts {
            provider,
            name,
            mode: self.mode,
            max_input_tokens: self.max_input,
            max_output_tokens: self.max_output,
            prices,
            retired: self.retired,
            capabilities,
        }
    }

    /// Embeddings have no output, so an input price alone is a price.
    fn prices(&self) -> Option<Prices> {
        let input = self.input?;
        let output = match self.output {
            Some(output) => output,
            None if self.mode == Mode::Embedding => 0,
            None => return None,
        };
        let tier = |tier: &TierEntry| PriceTier {
            above: tier.above,
            input: tier.input.unwrap_or(input),
            output: tier.output.unwrap_or(output),
            cached_read: tier.cached_read,
            cached_write: tier.cached_write,
        };
        Some(Prices {
            input,
            output,
            cached_read: self.cached_read,
            cached_write: self.cached_write,
            cached_write_1h: self.cached_write_1h,
            input_audio: self.input_audio,
            output_audio: self.output_audio,
            reasoning: self.reasoning,
            tiers: self.tiers.iter().map(tier).collect(),
        })
    }
}

/// Dollars per million tokens to femto-dollars per token.
fn price<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let dollars = f64::deserialize(deserializer)?;
    if !(0.0..1e6).contains(&dollars) {
        return Err(serde::de::Error::custom(format_args!("{dollars} is no price")));
    }
    Ok(Some((dollars * 1e9).round() as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_can_be_read() {
        let models = include_str!("catalog/models.json");
        Catalog::parse(models, include_str!("catalog/tiers.json")).unwrap();
    }

    #[test]
    fn prices_are_exact_integers() {
        let catalog = Catalog::builtin();
        let prices = catalog.model("openai", "gpt-4o-mini").unwrap().prices.clone().unwrap();
        assert_eq!((prices.input, prices.output), (150_000_000, 600_000_000));
        assert_eq!(prices.cached_read, Some(75_000_000));
        let haiku = catalog.model("anthropic", "claude-3-5-haiku-20241022").unwrap();
        let prices = haiku.prices.clone().unwrap();
        assert_eq!((prices.input, prices.output), (800_000_000, 4_000_000_000));
        assert_eq!(
            (prices.cached_read, prices.cached_write),
            (Some(80_000_000), Some(1_000_000_000))
        );
    }

    #[test]
    fn the_article_s_models_are_known() {
        let catalog = Catalog::builtin();
        for (provider, model, retired) in [
            ("openai", "gpt-4o-mini", false),
            ("openai", "gpt-4o", false),
            ("anthropic", "claude-3-5-haiku-20241022", true),
            ("google", "gemini-1.5-flash", true),
        ] {
            let facts = catalog.model(provider, model).unwrap();
            assert!(facts.prices.is_some(), "{model}");
            assert_eq!(facts.retired, retired, "{model}");
            assert_eq!(catalog.serves(provider, model), !retired);
        }
        assert_eq!(catalog.tier("gemini", "gemini-1.5-flash"), Some(Tier::Small));
        assert_eq!(catalog.tier("anthropic", "claude-3-5-haiku-20241022"), Some(Tier::Small));
        assert_eq!(catalog.tier("openai", "gpt-4o-2024-08-06"), Some(Tier::Standard));
    }

    #[test]
    fn names_are_found_as_people_write_them() {
        let catalog = Catalog::builtin();
        let name = |provider, model| catalog.model(provider, model).map(|facts| &*facts.name);
        assert_eq!(name("openai", "gpt-4o-mini-2024-07-18"), Some("gpt-4o-mini-2024-07-18"));
        assert_eq!(name("openai", "gpt-4o-mini-2031-01-01"), Some("gpt-4o-mini"));
        assert_eq!(name("openai", "openai/gpt-4o"), Some("gpt-4o"));
        assert_eq!(name("anthropic", "claude-3-5-haiku-latest"), Some("claude-3-5-haiku-20241022"));
        assert_eq!(name("anthropic", "claude-3-5-haiku"), Some("claude-3-5-haiku-20241022"));
        assert_eq!(name("gemini", "gemini-1.5-flash-002"), Some("gemini-1.5-flash"));
        assert_eq!(name("groq", "gpt-oss-120b"), None);
        assert_eq!(name("ollama", "llama3"), None);
        assert_eq!(name("openai", "gpt-4o-min"), None);
        assert_eq!(catalog.providers_of("claude-opus-5").next(), Some("anthropic"));
    }

    #[test]
    fn what_is_resold_costs_what_its_vendor_asks_or_nothing() {
        let catalog = Catalog::builtin();
        let prices = |model| catalog.resold(model).and_then(|facts| facts.prices.as_ref());
        let haiku = catalog.model("anthropic", "claude-haiku-4-5").unwrap().prices.as_ref();
        assert!(haiku.is_some_and(|prices| prices.input > 0));
        for model in ["anthropic/claude-haiku-4.5", "anthropic/claude-haiku-4.5:nitro"] {
            assert_eq!(prices(model), haiku, "{model}");
        }
        for model in ["anthropic/claude-haiku-4.5:free", "nobody/knows:free"] {
            let free = prices(model).unwrap();
            assert_eq!((free.input, free.output), (0, 0), "{model}");
        }
        assert_eq!(prices("nobody/knows"), None);
        assert_eq!(prices("claude-haiku-4.5:free"), None);
    }

    #[test]
    fn tiers_name_priced_models_that_live() {
        let catalog = Catalog::builtin();
        for (provider, vendor) in &catalog.tiers {
            for tier in Tier::ALL {
                let model = catalog.equivalent(provider, tier).unwrap();
                let facts = &catalog.providers[provider][model];
                assert!(facts.prices.is_some() && !facts.retired, "{provider}/{model}");
                assert_eq!(facts.mode, Mode::Chat, "{provider}/{model}");
            }
            let lists = [&vendor.small, &vendor.standard, &vendor.large, &vendor.reasoning];
            for model in lists.into_iter().flatten() {
                let known = catalog.model(provider, model).is_some();
                assert!(known, "{provider}/{model} is in no line of models.json");
                assert!(catalog.tier(provider, model).is_some());
            }
        }
    }

    #[test]
    fn long_requests_have_their_own_prices() {
        let catalog = Catalog::builtin();
        let prices = catalog.model("gemini", "gemini-2.5-pro").unwrap().prices.as_ref().unwrap();
        assert_eq!(prices.tier(200_000), None);
        assert!(prices.tier(200_001).unwrap().input > prices.input);
    }
}
