//! Work on libuv's thread pool, off the event loop.

use std::panic::{AssertUnwindSafe, catch_unwind};

use napi::{
    Env, Error, Result, Task,
    bindgen_prelude::{AsyncTask, ToNapiValue, TypeName, panic_to_error},
};

use crate::error::thrown;

/// A piece of work whose result becomes a promise's value.
pub struct Background<T>(Option<Work<T>>);

type Work<T> = Box<dyn FnOnce() -> nen::Result<T> + Send>;

impl<T: Send + ToNapiValue + TypeName + 'static> Background<T> {
    pub(crate) fn start(work: impl FnOnce() -> nen::Result<T> + Send + 'static) -> AsyncTask<Self> {
        AsyncTask::new(Self(Some(Box::new(work))))
    }
}

impl<T: Send + ToNapiValue + TypeName + 'static> Task for Background<T> {
    type Output = nen::Result<T>;
    type JsValue = T;

    fn compute(&mut self) -> Result<Self::Output> {
        let work = self.0.take().ok_or_else(|| Error::from_reason("the work was already done"))?;
        // The pool calls through C, which a panic must not cross.
        catch_unwind(AssertUnwindSafe(work)).map_err(panic_to_error)
    }

    fn resolve(&mut self, env: Env, output: Self::Output) -> Result<T> {
        output.map_err(|error| thrown(env, error))
    }
}
