#pragma once

#include <span>
#include <string_view>

#include "gumtile/head_program.h"

namespace gumtile::head {

/// One of gumtile's own fragments: a file of src/head/fragments has one feature.
struct BuiltinFragment {
  std::string_view name;
  HeadStage stage;
  void (*build)(HeadBuilder&);
  Features features = kNoFeatures;  ///< it is part of heads that have all of these
};

/// In the order in which they run within their stages.
std::span<const BuiltinFragment> builtin_fragments();

void build_temperature(HeadBuilder& h);
void build_gumbel(HeadBuilder& h);
void carry_score(HeadBuilder& h);
void build_token(HeadBuilder& h);
void build_logprob(HeadBuilder& h);
void build_status(HeadBuilder& h);

}  // namespace gumtile::head
