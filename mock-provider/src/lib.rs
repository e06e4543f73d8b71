//! A scripted fake of the model providers.
