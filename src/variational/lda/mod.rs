//! What are these documents about? Latent Dirichlet allocation (潜在狄利克雷分布, LDA).
//!
//! A topic (主题) is a distribution over words, and each document mixes the K topics in its own proportions:
//!
//! β_k ~ Dir(η), θ_d ~ Dir(α), z_dn ~ θ_d, w_dn ~ β_{z_dn}
//!
//! The order of words does not count (bag of words, 词袋), so a document is the counts n_dw. Mean field takes
//! q = ∏ Dir(θ_d | γ_d) ∏ Dir(β_k | λ_k) ∏ q(z_dn = k) = φ_dwk, and each factor has its best in closed form:
//!
//! - φ_dwk ∝ exp(E log θ_dk + E log β_kw), with E log θ_dk = ψ(γ_dk) − ψ(Σ_j γ_dj), and likewise E log β from λ;
//! - γ_dk = α + Σ_w n_dw φ_dwk;
//! - λ_kw = η + Σ_d n_dw φ_dwk.
//!
//! | here | symbol | shape |
//! | --- | --- | --- |
//! | [`Corpus`] | n_dw | documents, of few words each |
//! | [`document_prior`](Lda::document_prior), [`topic_prior`](Lda::topic_prior) | α, η | numbers |
//! | [`lambda`](Topics::lambda) | λ | (topics, words) |
//! | [`gamma`](Topics::gamma), [`transform`](Topics::transform) | γ | (documents, topics) |
//!
//! | question | answer |
//! | --- | --- |
//! | which topics? | [`Lda::fit`], all documents in each pass; [`Lda::fit_online`], [`Lda::step`], a few at a time |
//! | which words has a topic? | [`topics`](Topics::topics), [`top_words`](Topics::top_words) |
//! | which topics has a document? | [`transform`](Topics::transform), [`proportions`](Topics::proportions) |
//! | how well is it described? | [`elbo`](Topics::elbo), [`perplexity`](Topics::perplexity) |
//!
//! φ is never stored. With t_k = exp E log θ_dk and b_wk = exp E log β_kw, both up to a factor that cancels, a document's
//! sweep is γ_dk = α + t_k Σ_w b_wk n_dw / Σ_j t_j b_wj: two products of a matrix and a vector.
//!
//! Where all of a word's weights underflow, which priors far below 1 bring about, φ is found by logarithms.
//!
//! scikit-learn's `LatentDirichletAllocation` is the same but for this: its ψ errs by up to 2.4e-9; it adds 2e-16 to each
//! Σ_j t_j b_wj, and so loses words that underflow; γ starts at random in each pass; its perplexity has one term more
//! ([`Topics::perplexity`]).
//!
//! Not covered: learning α and η, a prior of its own for each topic, Gibbs sampling (吉布斯采样).
//!
//! Sources: Blei, Ng and Jordan, *Latent Dirichlet allocation*, JMLR 3 (2003); Hoffman, Blei and Bach, *Online learning
//! for latent Dirichlet allocation*, NIPS 23 (2010).

mod corpus;
mod kernel;
mod learn;
mod special;
mod topics;

pub use corpus::Corpus;
pub use learn::{Lda, Online};
pub use topics::Topics;
