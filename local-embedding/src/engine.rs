//! The thread that a model runs on, and the queue before it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use tokio::sync::oneshot;

/// Texts that may wait. At some milliseconds each the last of them waits for less than a second;
/// whoever comes then is better off without an embedding.
const QUEUE: usize = 64;
/// Texts that are embedded together.
const BATCH: usize = 16;
/// Bytes of text that are embedded together, about 500 tokens: by then the weights are well shared,
/// and more would only keep the first waiting for the last. One text may be longer.
const BATCH_BYTES: usize = 2048;

/// Why there is no vector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EmbedError {
    /// Too many texts wait already.
    Full,
    /// The model's thread has ended.
    Gone,
    /// The model failed; the next text may be embedded all the same.
    Failed(String),
}

impl std::fmt::Display for EmbedError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            EmbedError::Full => write!(f, "too many texts wait for the local embedding model"),
            EmbedError::Gone => write!(f, "the local embedding model has stopped"),
            EmbedError::Failed(why) => write!(f, "the local embedding model failed: {why}"),
        }
    }
}

impl std::error::Error for EmbedError {}

/// A queue to the thread that a model runs on. The thread ends when this is dropped.
pub(super) struct Engine {
    queue: SyncSender<Job>,
}

struct Job {
    text: String,
    answer: oneshot::Sender<Result<Vec<f32>, EmbedError>>,
}

impl Engine {
    /// Starts the thread. `model` makes a vector of each text, in their order.
    pub(super) fn start(
        model: impl FnMut(&[String]) -> Result<Vec<Vec<f32>>, String> + Send + 'static,
    ) -> std::io::Result<Engine> {
        let (queue, jobs) = sync_channel(QUEUE);
        let thread = std::thread::Builder::new().name("embed".into());
        // Not joined: it ends with the queue, and joining would hold up an event loop for a batch.
        thread.spawn(move || run(&jobs, model))?;
        Ok(Engine { queue })
    }

    pub(super) async fn embed(&self, text: &str) -> Result<Vec<f32>, EmbedError> {
        let (answer, vector) = oneshot::channel();
        self.queue.try_send(Job { text: text.to_owned(), answer }).map_err(
            |error| match error {
                TrySendError::Full(_) => EmbedError::Full,
                TrySendError::Disconnected(_) => EmbedError::Gone,
            },
        )?;
        vector.await.unwrap_or(Err(EmbedError::Gone))
    }
}

fn run(jobs: &Receiver<Job>, mut model: impl FnMut(&[String]) -> Result<Vec<Vec<f32>>, String>) {
    let mut left = None;
    while let Some(first) = left.take().or_else(|| jobs.recv().ok()) {
        let (texts, answers) = batch(first, jobs, &mut left);
        if texts.is_empty() {
            continue;
        }
        // A model keeps nothing between two batches, so none is left half done by a panic.
        let vectors = catch_unwind(AssertUnwindSafe(|| model(&texts)))
            .unwrap_or_else(|_| Err("it panicked".into()));
        match vectors {
            Ok(vectors) => {
                for (answer, vector) in answers.into_iter().zip(vectors) {
                    // Whoever has gone needs no vector.
                    let _ = answer.send(Ok(vector));
                }
            }
            Err(why) => {
                for answer in answers {
                    let _ = answer.send(Err(EmbedError::Failed(why.clone())));
                }
            }
        }
    }
}

type Batch = (Vec<String>, Vec<oneshot::Sender<Result<Vec<f32>, EmbedError>>>);

/// The job and what waits behind it, without those whose caller has gone. A job that is too long
/// for this batch is `left` for the next.
fn batch(first: Job, jobs: &Receiver<Job>, left: &mut Option<Job>) -> Batch {
    let (mut texts, mut answers) = (Vec::new(), Vec::new());
    let mut bytes = 0;
    let mut next = Some(first);
    while let Some(job) = next {
        if !job.answer.is_closed() {
            bytes += job.text.len();
            if bytes > BATCH_BYTES && !texts.is_empty() {
                *left = Some(job);
                break;
            }
            texts.push(job.text);
            answers.push(job.answer);
        }
        next = if texts.len() < BATCH { jobs.try_recv().ok() } else { None };
    }
    (texts, answers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Sender, channel};
    use std::sync::{Arc, Weak};
    use std::time::Duration;

    /// What a model was asked for, and the permission to answer.
    struct Script {
        engine: Engine,
        asked: Receiver<Vec<String>>,
        go: Sender<()>,
        alive: Weak<()>,
    }

    /// A model whose vectors hold the length of the text; it panics at `panic` and fails at `fail`.
    fn script() -> Script {
        let (asks, asked) = channel();
        let (go, wait) = channel();
        let life = Arc::new(());
        let alive = Arc::downgrade(&life);
        let engine = Engine::start(move |texts: &[String]| {
            let _life = &life;
            asks.send(texts.to_vec()).unwrap();
            wait.recv().unwrap();
            assert!(!texts.contains(&"panic".to_owned()), "as asked");
            if texts.contains(&"fail".to_owned()) {
                return Err("as asked".into());
            }
            Ok(texts.iter().map(|text| vec![text.len() as f32]).collect())
        })
        .unwrap();
        Script { engine, asked, go, alive }
    }

    fn block_on<F: Future>(future: F) -> F::Output {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap()
            .block_on(future)
    }

    /// Polls each once, so that it is queued.
    async fn queue<F: Future>(futures: &mut [std::pin::Pin<Box<F>>]) {
        for future in futures {
            let polled = tokio::time::timeout(Duration::ZERO, future).await;
            assert!(polled.is_err(), "still waits");
        }
    }

    #[test]
    fn what_waits_is_embedded_together_and_each_gets_its_own() {
        block_on(async {
            let Script { engine, asked, go, .. } = script();
            let texts: Vec<String> = (0..20).map(|number| "x".repeat(number)).collect();
            let mut all: Vec<_> = texts.iter().map(|text| Box::pin(engine.embed(text))).collect();
            queue(&mut all[..1]).await;
            assert_eq!(asked.recv().unwrap().len(), 1);
            queue(&mut all[1..]).await;
            (0..3).for_each(|_| go.send(()).unwrap());
            for (text, future) in texts.iter().zip(all) {
                assert_eq!(future.await, Ok(vec![text.len() as f32]));
            }
            assert_eq!(asked.recv().unwrap(), texts[1..17]);
            assert_eq!(asked.recv().unwrap(), texts[17..]);
        });
    }

    #[test]
    fn long_texts_are_not_embedded_together() {
        block_on(async {
            let Script { engine, asked, go, .. } = script();
            let texts = ["a".into(), "b".repeat(2000), "c".repeat(100), "d".repeat(9000)];
            let mut all: Vec<_> = texts.iter().map(|text| Box::pin(engine.embed(text))).collect();
            queue(&mut all[..1]).await;
            asked.recv().unwrap();
            queue(&mut all[1..]).await;
            (0..4).for_each(|_| go.send(()).unwrap());
            for (text, future) in texts.iter().zip(all) {
                assert_eq!(future.await, Ok(vec![text.len() as f32]));
            }
            assert_eq!(
                asked.try_iter().collect::<Vec<_>>(),
                texts[1..].iter().map(|text| vec![text.clone()]).collect::<Vec<_>>()
            );
        });
    }

    #[test]
    fn a_full_queue_is_an_error_at_once() {
        block_on(async {
            let Script { engine, asked, go, .. } = script();
            let mut all: Vec<_> = (0..=QUEUE).map(|_| Box::pin(engine.embed("x"))).collect();
            queue(&mut all[..1]).await;
            asked.recv().unwrap();
            queue(&mut all[1..]).await;
            assert_eq!(engine.embed("x").await, Err(EmbedError::Full));
            (0..QUEUE).for_each(|_| go.send(()).unwrap());
            for future in all {
                assert_eq!(future.await, Ok(vec![1.0]));
            }
        });
    }

    #[test]
    fn a_dropped_future_is_not_embedded() {
        block_on(async {
            let Script { engine, asked, go, .. } = script();
            let mut all: Vec<_> =
                ["1", "22", "333"].into_iter().map(|text| Box::pin(engine.embed(text))).collect();
            queue(&mut all[..1]).await;
            asked.recv().unwrap();
            queue(&mut all[1..]).await;
            drop(all.remove(1));
            (0..2).for_each(|_| go.send(()).unwrap());
            assert_eq!(all.pop().unwrap().await, Ok(vec![3.0]));
            assert_eq!(asked.recv().unwrap(), ["333"]);
        });
    }

    #[test]
    fn a_failure_and_a_panic_are_answers_and_the_next_text_is_embedded() {
        block_on(async {
            let Script { engine, asked: _asked, go, .. } = script();
            (0..3).for_each(|_| go.send(()).unwrap());
            assert_eq!(engine.embed("fail").await, Err(EmbedError::Failed("as asked".into())));
            assert_eq!(engine.embed("panic").await, Err(EmbedError::Failed("it panicked".into())));
            assert_eq!(engine.embed("next").await, Ok(vec![4.0]));
        });
    }

    #[test]
    fn the_thread_ends_with_its_engine() {
        let Script { engine, alive, .. } = script();
        assert!(alive.upgrade().is_some());
        drop(engine);
        let ended = (0..500).any(|_| {
            std::thread::sleep(Duration::from_millis(10));
            alive.upgrade().is_none()
        });
        assert!(ended);
    }
}
