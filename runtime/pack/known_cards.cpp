#include "runtime/pack/known_cards.h"

namespace gumtile::pack {
namespace {

struct KnownCard {
  int sm;
  const char* name;  ///< as the driver reports it: records are found by it
  int multiprocessors;
  double gigabytes_per_second;
};

/// NVIDIA's data sheets; the memory rates of the H100 SXM and the H200 by the driver's clock and bus width.
constexpr KnownCard kCards[] = {
    {70, "Tesla V100-SXM2-16GB", 80, 900},
    {75, "Tesla T4", 40, 320},
    {80, "NVIDIA A100-SXM4-80GB", 108, 2039},
    {80, "NVIDIA A100 80GB PCIe", 108, 1935},
    {80, "NVIDIA A100-SXM4-40GB", 108, 1555},
    {80, "NVIDIA A30", 56, 933},
    {86, "NVIDIA A10", 72, 600},
    {86, "NVIDIA A40", 84, 696},
    {86, "NVIDIA RTX A6000", 84, 768},
    {86, "NVIDIA GeForce RTX 3090", 82, 936},
    {87, "Orin", 16, 204},
    {89, "NVIDIA L40S", 142, 864},
    {89, "NVIDIA L4", 58, 300},
    {89, "NVIDIA GeForce RTX 4090", 128, 1008},
    {90, "NVIDIA H100 80GB HBM3", 132, 3352},
    {90, "NVIDIA H200", 132, 4814},
    {90, "NVIDIA H100 PCIe", 114, 2039},
    {90, "NVIDIA GH200 480GB", 132, 4022},
    {90, "NVIDIA GH200 144G HBM3e", 132, 4900},
    {90, "NVIDIA H20", 78, 4022},
    {100, "NVIDIA B200", 148, 8000},
    {103, "NVIDIA B300", 148, 8000},
    {120, "NVIDIA RTX PRO 6000 Blackwell Server Edition", 188, 1597},
    {120, "NVIDIA GeForce RTX 5090", 170, 1792},
};

}  // namespace

std::vector<DeviceDescription> known_cards(const Target& target) {
  std::vector<DeviceDescription> cards;
  for (const KnownCard& card : kCards) {
    if (card.sm != target.sm) continue;
    DeviceDescription device;
    device.name = card.name;
    device.target = target;
    device.workers = card.multiprocessors;
    device.memory_bytes_per_second = 1e9 * card.gigabytes_per_second;
    cards.push_back(device);
  }
  if (cards.empty()) {
    DeviceDescription device;
    device.target = target;
    device.workers = Card{}.multiprocessors;
    cards.push_back(device);
  }
  return cards;
}

}  // namespace gumtile::pack
