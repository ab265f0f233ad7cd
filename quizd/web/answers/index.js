// Which element asks which type of question. A new type is one more line here.
//
// An element gets `question` before it is put on the page, and `update({answer, locked,
// shown})` whenever the picture changes: our own answer or null, whether none is taken,
// and what question_closed said or null. It tells an answer by the event `qd-answer`,
// whose detail is what QuizClient.answer takes.

import { choice, several } from "./choice.js";
import { order } from "./order.js";
import { numeric, text } from "./typed.js";

const ELEMENTS = {
  single_choice: choice,
  true_false: choice,
  poll: choice,
  multiple_choice: several,
  ordering: order,
  text,
  numeric,
};

/** Return the element that asks *question*; an unknown type by what it offers. */
export function answering(question) {
  const make = ELEMENTS[question.type] ?? (question.options.length ? choice : text);
  return make({ question });
}
