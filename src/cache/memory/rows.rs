//! The vectors of a partition, and the search among them.
//!
//! Vectors lie one after the other in blocks of about a megabyte. Up to a bound every vector is
//! compared; above it the [`Sketch`]es are, and only the vectors that may be similar enough. A row is
//! found from the moment it is added until it is removed, and removing one moves the last into its
//! place.
//!
//! A graph of neighbours (HNSW) was measured against the sketches: among 100,000 vectors it was no
//! faster at the same recall, took 4 KB more for each and minutes of a processor to build, and it
//! would have to be built anew whenever many of its entries had expired or been cleared.
//!
//! A search takes the lock anew after every few blocks, so that a writer waits some 0.2 ms at most
//! and not for the search; the writer hands it on to whom it kept waiting. A row that is moved
//! between two blocks meanwhile may be overlooked by that one search, which is a miss.

use super::kept::{Kept, NOWHERE};
use super::simd;
use super::sketch::Sketch;
use parking_lot::{RwLock, RwLockWriteGuard};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Numbers of a block: a megabyte, so that one grows (which copies it) in 0.1 ms.
const BLOCK_FLOATS: usize = 1 << 18;
/// Rows of a block at most; results of a block lie on the stack.
const BLOCK_ROWS: usize = 1024;
/// Vectors that a sketched search compares at most: those whose sketches are nearest. Bounds the
/// time where very many are similar enough; the best of them may then be overlooked for others that
/// are nearly as similar.
const COMPARED: usize = 4096;
/// Vectors, blocks of vectors and blocks of sketches that are looked at under one lock.
const COMPARED_ROWS: usize = 1024;
const COMPARED_BLOCKS: usize = 4;
const SKETCHED_BLOCKS: usize = 32;

/// The vectors of one partition, all of the same length.
#[derive(Debug)]
pub(super) struct Rows {
    dimensions: usize,
    block_rows: usize,
    len: AtomicUsize,
    blocks: RwLock<Vec<Block>>,
}

/// Rows; all but a partition's last block are full.
#[derive(Debug, Default)]
struct Block {
    vectors: Vec<f32>,
    sketches: Vec<Sketch>,
    kept: Vec<Arc<Kept>>,
}

/// What is looked for.
pub(super) struct Wanted<'a> {
    /// The normalised vector.
    pub(super) vector: &'a [f32],
    /// Results at most.
    pub(super) limit: usize,
    /// The least cosine.
    pub(super) floor: f32,
    /// Unix milliseconds; what has expired is not wanted.
    pub(super) now_ms: i64,
    /// Rows up to which every vector is compared.
    pub(super) flat_rows: usize,
}

impl Rows {
    /// Without rows.
    pub(super) fn new(dimensions: usize) -> Self {
        let block_rows = (BLOCK_FLOATS / dimensions.max(1)).clamp(1, BLOCK_ROWS);
        Rows { dimensions, block_rows, len: AtomicUsize::new(0), blocks: RwLock::default() }
    }

    /// The length of its vectors.
    pub(super) fn dimensions(&self) -> usize {
        self.dimensions
    }

    /// How many rows it has.
    pub(super) fn len(&self) -> usize {
        self.len.load(Relaxed)
    }

    /// Adds a row; the vector has as many numbers as `dimensions`. Callers take turns.
    pub(super) fn push(&self, kept: &Arc<Kept>, vector: &[f32], sketch: Sketch) {
        let mut blocks = self.blocks.write();
        if blocks.last().is_none_or(|block| block.kept.len() >= self.block_rows) {
            blocks.push(Block::default());
        }
        let before = (blocks.len() - 1) * self.block_rows;
        if let Some(block) = blocks.last_mut() {
            kept.set_row(before + block.kept.len());
            block.push(kept, vector, sketch, self.block_rows);
            self.len.fetch_add(1, Relaxed);
        }
    }

    /// Takes out the row of an entry, if it has one here. Callers take turns.
    pub(super) fn remove(&self, kept: &Kept) {
        let mut blocks = self.blocks.write();
        let row = kept.row();
        let Some(last) = blocks.len().checked_sub(1) else { return };
        let (at, within) = (row / self.block_rows, row % self.block_rows);
        let (full, last) = blocks.split_at_mut(last);
        let Some(last) = last.first_mut() else { return };
        let found = full.get(at).unwrap_or(last).kept.get(within);
        if !found.is_some_and(|found| std::ptr::eq(&**found, kept)) {
            return;
        }
        match full.get_mut(at) {
            Some(block) => block.replace(within, last, row),
            None => last.swap_remove(within, row, self.dimensions),
        }
        kept.set_row(NOWHERE);
        self.len.fetch_sub(1, Relaxed);
        if last.kept.is_empty() {
            blocks.pop();
        }
        // A big removal would otherwise take it again before a waiting search is awake.
        RwLockWriteGuard::unlock_fair(blocks);
    }

    /// A copy of the vector of an entry.
    pub(super) fn vector(&self, kept: &Kept) -> Option<Vec<f32>> {
        let blocks = self.blocks.read();
        let (found, vector) = self.row(&blocks, kept.row())?;
        std::ptr::eq(&**found, kept).then(|| vector.to_vec())
    }

    /// The most similar entries, best first.
    pub(super) fn nearest(&self, wanted: &Wanted<'_>) -> Vec<(Arc<Kept>, f32)> {
        if wanted.vector.len() != self.dimensions || wanted.limit == 0 {
            return Vec::new();
        }
        let mut best = Best { wanted, found: Vec::new() };
        if self.len() <= wanted.flat_rows {
            self.compare_all(&mut best);
        } else {
            self.compare_near(&mut best);
        }
        best.found
    }

    fn compare_all(&self, best: &mut Best<'_>) {
        let mut cosines = [0.0; BLOCK_ROWS];
        self.each_block(COMPARED_BLOCKS, |_, block| {
            simd::dots(&block.vectors, best.wanted.vector, &mut cosines);
            for (kept, cosine) in block.kept.iter().zip(cosines) {
                best.offer(kept, cosine);
            }
        });
    }

    fn compare_near(&self, best: &mut Best<'_>) {
        for rows in self.near(best.wanted).chunks(COMPARED_ROWS) {
            let blocks = self.blocks.read();
            for (_, row) in rows {
                if let Some((kept, vector)) = self.row(&blocks, *row as usize) {
                    best.offer(kept, simd::dot(vector, best.wanted.vector));
                }
            }
        }
    }

    /// The rows that may be similar enough, as differing bits and row.
    fn near(&self, wanted: &Wanted<'_>) -> Vec<(u32, u32)> {
        let sketch = Sketch::of(wanted.vector);
        let most = Sketch::limit(wanted.floor);
        let mut near = Vec::new();
        self.each_block(SKETCHED_BLOCKS, |number, block| {
            let first = (number * self.block_rows) as u32;
            simd::near(&block.sketches, &sketch, most, first, &mut near);
        });
        if near.len() > COMPARED {
            keep_nearest(&mut near, COMPARED);
        }
        near
    }

    /// Looks at all blocks, so many of them under one lock.
    fn each_block(&self, at_once: usize, mut look: impl FnMut(usize, &Block)) {
        for first in (0..).step_by(at_once) {
            let blocks = self.blocks.read();
            if first >= blocks.len() {
                break;
            }
            for (number, block) in blocks.iter().enumerate().skip(first).take(at_once) {
                look(number, block);
            }
        }
    }

    fn row<'a>(&self, blocks: &'a [Block], row: usize) -> Option<(&'a Arc<Kept>, &'a [f32])> {
        let block = blocks.get(row / self.block_rows)?;
        let within = row % self.block_rows;
        let from = within * self.dimensions;
        Some((block.kept.get(within)?, block.vectors.get(from..from + self.dimensions)?))
    }
}

/// Keeps the `count` with the fewest differing bits, in their order.
fn keep_nearest(near: &mut Vec<(u32, u32)>, count: usize) {
    let mut counts = [0; Sketch::BYTES * 8 + 1];
    for (bits, _) in near.iter() {
        counts[*bits as usize] += 1;
    }
    let (mut most, mut room) = (0, count);
    while let Some(left) = counts.get(most).and_then(|count| room.checked_sub(*count)) {
        (most, room) = (most + 1, left);
    }
    near.retain(|(bits, _)| {
        let bits = *bits as usize;
        let last = bits == most && room > 0;
        room -= usize::from(last);
        bits < most || last
    });
}

impl Block {
    fn push(&mut self, kept: &Arc<Kept>, vector: &[f32], sketch: Sketch, most: usize) {
        if self.kept.len() == self.kept.capacity() {
            // By half, and never beyond a full block: most partitions have a few rows only.
            let more = (self.kept.len() / 2 + 1).min(most - self.kept.len());
            self.vectors.reserve_exact(more * vector.len());
            self.sketches.reserve_exact(more);
            self.kept.reserve_exact(more);
        }
        self.vectors.extend_from_slice(vector);
        self.sketches.push(sketch);
        self.kept.push(kept.clone());
    }

    /// Overwrites a row, which is number `row` of the partition, by the last of another block.
    fn replace(&mut self, within: usize, last: &mut Block, row: usize) {
        let (Some(kept), Some(sketch)) = (last.kept.pop(), last.sketches.pop()) else { return };
        let dimensions = last.vectors.len() / (last.kept.len() + 1);
        let from = last.kept.len() * dimensions;
        kept.set_row(row);
        self.vectors[within * dimensions..][..dimensions].copy_from_slice(&last.vectors[from..]);
        self.sketches[within] = sketch;
        self.kept[within] = kept;
        last.vectors.truncate(from);
    }

    /// The same within the last block.
    fn swap_remove(&mut self, within: usize, row: usize, dimensions: usize) {
        self.kept.swap_remove(within);
        self.sketches.swap_remove(within);
        let from = self.kept.len() * dimensions;
        self.vectors.copy_within(from.., within * dimensions);
        self.vectors.truncate(from);
        if let Some(moved) = self.kept.get(within) {
            moved.set_row(row);
        }
    }
}

/// The best results so far, in order.
struct Best<'a> {
    wanted: &'a Wanted<'a>,
    found: Vec<(Arc<Kept>, f32)>,
}

impl Best<'_> {
    fn offer(&mut self, kept: &Arc<Kept>, cosine: f32) {
        // Written so that what is no number is not enough.
        let enough = cosine >= self.wanted.floor;
        let full = self.found.len() >= self.wanted.limit;
        if !enough || full && self.found.last().is_some_and(|(_, worst)| cosine <= *worst) {
            return;
        }
        // An entry may be seen twice if it is replaced during the search.
        let known =
            |(other, _): &(Arc<Kept>, f32)| other.entry.fingerprint == kept.entry.fingerprint;
        if kept.entry.expires_ms <= self.wanted.now_ms || self.found.iter().any(known) {
            return;
        }
        let place = self.found.partition_point(|(_, other)| *other >= cosine);
        self.found.insert(place, (kept.clone(), cosine));
        self.found.truncate(self.wanted.limit);
    }
}
