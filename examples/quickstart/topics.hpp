// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Fifty everyday topics of twenty-four nouns each; no noun belongs to two topics.
#pragma once

#include <array>
#include <string_view>

namespace quickstart {

struct TopicWords {
    std::string_view name;
    std::string_view words;   // separated by blanks
};

inline constexpr std::size_t words_per_topic = 24;

inline constexpr std::array<TopicWords, 50> topics{{
    {"baking",
     "flour dough oven yeast loaf crust baguette pastry muffin biscuit cinnamon batter whisk brioche pretzel bun rye bagel "
     "croissant icing bakery tart spatula sourdough"},
    {"sailing",
     "sail mast harbor anchor keel rudder captain yacht deck buoy tide mooring regatta hull jib dinghy starboard lighthouse "
     "schooner marina helm galley stern compass"},
    {"gardening",
     "seed soil compost spade trowel flowerbed hedge mulch rake greenhouse seedling fertilizer watering weed lawnmower tulip "
     "rosebush sprinkler pruner lavender gardener hoe perennial wheelbarrow"},
    {"football",
     "goal striker stadium referee midfielder penalty goalkeeper jersey kickoff dribble defender whistle league offside corner "
     "supporters scarf turf substitute cleats tackle scoreboard halftime captaincy"},
    {"astronomy",
     "telescope planet comet galaxy nebula orbit asteroid eclipse constellation observatory meteor moonlight satellite supernova "
     "astronomer crater pulsar quasar cosmos equinox starlight aurora spectrograph universe"},
    {"medicine",
     "doctor nurse clinic vaccine syringe fever surgeon bandage diagnosis prescription ward stethoscope patient antibiotic "
     "ambulance pulse symptom therapy infection anesthetic hospital scalpel recovery pharmacy"},
    {"music",
     "violin melody orchestra conductor rhythm chord piano sonata trumpet cello drummer concerto flute soprano quartet tempo "
     "harmony symphony clarinet overture tuba metronome encore saxophone"},
    {"cooking",
     "skillet onion garlic simmer recipe saucepan broth chef paprika cutlery stew ladle oregano appetizer casserole marinade "
     "kitchen pepper apron roast stove basil gravy colander"},
    {"law",
     "judge courtroom verdict lawyer jury witness statute plaintiff testimony lawsuit attorney prosecutor bailiff appeal "
     "contract affidavit acquittal sentence tribunal subpoena defendant clause litigation notary"},
    {"railway",
     "locomotive station platform timetable conductorship carriage tunnel signalbox ticket junction freight railcar sleeper "
     "derailment whistlestop viaduct stationmaster boxcar commuter turnstile rail depot switchyard caboose"},
    {"weather",
     "thunder drizzle forecast barometer blizzard humidity breeze hailstone lightning fog rainfall cyclone frost meteorologist "
     "sunshine drought overcast gust monsoon snowfall puddle rainbow temperature sleet"},
    {"beekeeping",
     "hive honey nectar queenbee pollen apiary beeswax swarm drone honeycomb beekeeper smoker larvae clover stinger brood "
     "propolis foraging mead colony bumblebee pollination skep veil"},
    {"fishing",
     "hook trout reel angler bait salmon tackles riverbank lure netting perch carp catfish floater sinker waders fisherman spawn "
     "minnow pike fishery estuary creel angling"},
    {"banking",
     "loan mortgage deposit teller vault interest overdraft cheque banknote investor savings account creditor debtor ledger "
     "dividend currency broker inflation collateral treasury remittance cashier solvency"},
    {"photography",
     "camera lens shutter tripod exposure darkroom portrait negative flashbulb aperture photographer viewfinder filmroll album "
     "snapshot focus zoom studio backdrop pixel enlarger contrast filter exhibition"},
    {"hiking",
     "trail summit backpack ridge campsite boots canteen ranger map switchback wilderness valley gorge cairn waterfall trekking "
     "lookout shelter footpath plateau blister gaiters mountaineer altitude"},
    {"chess",
     "bishop rook knight checkmate pawn gambit grandmaster stalemate castling endgame chessboard tournament opening opponent "
     "sacrifice fianchetto zugzwang clock queenside kingside notation rating exchange blunder"},
    {"theater",
     "stage actor curtain script audience playwright rehearsal costume spotlight monologue tragedy comedy prompter balcony usher "
     "premiere dialogue understudy prop director applause intermission makeup puppet"},
    {"farming",
     "tractor harvest barn wheat plough silo cattle irrigation pasture farmer hay barley combine orchard fence scarecrow "
     "cornfield manure livestock granary dairy furrow acre sheepdog"},
    {"school",
     "teacher classroom homework blackboard pupil lesson exam textbook recess curriculum principal chalk essay grade notebook "
     "detention graduation arithmetic pencil spelling eraser cafeteria tutor semester"},
    {"ocean",
     "whale coral dolphin reef plankton shark octopus seaweed jellyfish trench squid submarine lagoon starfish manatee urchin "
     "seabed anemone turtle shrimp barnacle kelp stingray eel"},
    {"painting",
     "canvas easel palette brush watercolor gallery pigment turpentine mural fresco landscape portraitist varnish sketch gouache "
     "miniature masterpiece curator charcoal pastel acrylic frame tempera restoration"},
    {"aviation",
     "airplane runway cockpit pilot propeller turbulence hangar altimeter stewardess glider fuselage takeoff landing jet airport "
     "radar wingspan parachute rotor copilot airstrip throttle zeppelin aileron"},
    {"computing",
     "keyboard software processor compiler database server monitor algorithm password programmer laptop firewall bandwidth "
     "router cursor debugger spreadsheet modem encryption hardware browser network printer backup"},
    {"carpentry",
     "hammer chisel plank sawdust lumber workbench dowel mallet veneer sandpaper joiner clamp lathe plywood carpenter nail hinge "
     "drill screwdriver mortise beam bandsaw oakwood toolbox"},
    {"winemaking",
     "grape vineyard barrel cellar cork vintage sommelier bottle tannin merlot harvesters fermentation decanter riesling bouquet "
     "champagne winery trellis goblet chardonnay oenologist sediment rose goblets"},
    {"dentistry",
     "tooth dentist cavity molar floss enamel toothbrush braces plaque gums crown filling orthodontist incisor denture mouthwash "
     "extraction toothpaste root jaw hygienist canine fluoride retainer"},
    {"winter",
     "ski snowboard slope chairlift avalanche icicle sled mitten snowman goggles glacier chalet toboggan skater igloo snowflake "
     "slalom snowplow iceberg parka skating earmuffs snowdrift fireplace"},
    {"knitting",
     "yarn needle sweater wool stitch crochet mitts cardigan skein loom spindle pattern thimble shawl thread cashmere mohair "
     "tassel knitter alpaca bobbin ribbing fleece purl"},
    {"circus",
     "acrobat clown juggler trapeze ringmaster tent elephant tightrope unicycle lion somersault popcorn magician stilts "
     "trampoline confetti contortionist parade tamer cannon hoop sawhorse balloon spectacle"},
    {"castle",
     "moat drawbridge king throne jester dungeon tapestry tower princess armor banquet squire crossbow herald portcullis "
     "catapult knighthood rampart joust duke chainmail torch courtyard scepter"},
    {"mining",
     "coal pickaxe shaft miner quarry ore nugget dynamite helmet gravel copper prospector gemstone excavation pit lantern "
     "granite conveyor smelter seam uranium silver tailings lode"},
    {"newspaper",
     "editor headline journalist column deadline reporter subscription interview scoop byline typesetter correspondent obituary "
     "newsroom circulation caption press publisher cartoonist gazette tabloid editorial crossword leaflet"},
    {"desert",
     "camel dune oasis cactus scorpion caravan mirage sandstorm nomad canyon lizard rattlesnake tumbleweed sunstroke bedouin "
     "date palm vulture arroyo agave mesa salt coyote wadi"},
    {"jungle",
     "parrot vine monkey jaguar canopy orchid toucan machete rainforest python explorer mosquito fern sloth hammock tapir bamboo "
     "macaw chameleon anaconda undergrowth piranha liana expedition"},
    {"firefighting",
     "firefighter hose siren hydrant smoke blaze ladder extinguisher rescue ember firetruck evacuation alarm arson soot "
     "firehouse axe sprinklers inferno oxygen brigade flame dispatcher stretcher"},
    {"postal",
     "stamp envelope parcel postman mailbox postcard letter courier address package zipcode philatelist delivery sorting "
     "telegram airmail recipient postmark satchel postage correspondence wax seal stationery"},
    {"cinema",
     "film projector cameraman actress screenplay trailer premiereship matinee stuntman documentary usherette blockbuster "
     "subtitle studioset cinematographer sequel celluloid clapperboard producer soundtrack closeup animation drivein montage"},
    {"bicycle",
     "pedal handlebar saddle spoke tire chain bell cyclist peloton gear brake puncture basket velodrome tandem sprocket pump "
     "derailleur fender kickstand crankset wheelset jerseyman sidecar"},
    {"zoo",
     "giraffe penguin zookeeper enclosure zebra hippopotamus aquarium feeding rhinoceros ostrich gorilla panda flamingo aviary "
     "tiger kangaroo reptile otter leopard meerkat habitat terrarium koala lemur"},
    {"pottery",
     "clay kiln glaze potter vase ceramic porcelain bowl earthenware pitcher terracotta slip stoneware jug teapot saucer shard "
     "bisque urn figurine mug throwing plate amphora"},
    {"tea",
     "kettle teacup infusion oolong sugar chamomile samovar teaspoon jasmine darjeeling scone lemon cream leaf strainer "
     "peppermint assam bergamot matcha teahouse biscuits plantation cozy tray"},
    {"tailoring",
     "suit fabric scissors button tailor lapel hem silk collar zipper fitting waistcoat mannequin trouser cuff velvet seamstress "
     "linen pocket sleeve lining tweed tuxedo embroidery"},
    {"swimming",
     "pool swimmer diver lane backstroke snorkel butterfly lifeguard towel breaststroke chlorine relay springboard flippers "
     "medley lap freestyle swimsuit bathhouse armband sauna whirlpool locker paddling"},
    {"elections",
     "ballot candidate voter campaign senator parliament poll mayor debate constituency majority democracy referendum turnout "
     "incumbent rally minister manifesto caucus recount coalition president electorate speech"},
    {"archaeology",
     "ruin artifact pharaoh mummy tomb pyramid excavator fossil inscription relic temple hieroglyph papyrus museum potsherd "
     "antiquity sarcophagus obelisk dig trowels catacomb scroll burial mosaic"},
    {"dancing",
     "waltz ballerina tango choreography ballroom rehearsals pirouette tutu partner salsa slipper foxtrot leotard flamenco twirl "
     "ballet polka rumba studiofloor tapshoes minuet quickstep recital swing"},
    {"geology",
     "volcano lava earthquake magma basalt sediments tectonics limestone seismograph quartz fault erosion mineral crystal "
     "stalactite cavern geyser obsidian sandstone strata geologist marble meteorite slate"},
    {"insurance",
     "policy premium claim adjuster liability coverage underwriter accident deductible beneficiary insurer risk compensation "
     "actuary annuity negligence burglary renewal pension reimbursement indemnity flood fraud agent"},
    {"birthday",
     "cake candle balloonist present invitation wrapping party guest pinwheel lemonade streamer cupcake ribbon surprise bouquets "
     "greeting frosting playlist host garland bonbon toast jamboree sparkler"},
}};

}  // namespace quickstart
